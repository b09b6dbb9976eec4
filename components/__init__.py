"""The verbs: six stages, each a function over the library with a shell and a Kubeflow face."""
