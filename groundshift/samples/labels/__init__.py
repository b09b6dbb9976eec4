"""Labels of windows: known truth, and the synthetic label made from the images themselves."""
