from benchmarks.memory import BEGIN, END, STAGES, with_row


def test_a_row_that_ends_early_keeps_the_other_columns() -> None:
    page = f"before\n{BEGIN}\n{END}\nafter\n"
    whole = with_row(page, "512 x 512", range(100, 100 + len(STAGES)))
    assert "| 512 x 512 | 100 | 101 | 102 | 103 | 104 | 105 |" in whole
    partly = with_row(whole, "512 x 512", [7.4])
    assert "| 512 x 512 | 7 | 101 | 102 | 103 | 104 | 105 |" in partly
    assert partly.startswith("before\n")
    assert partly.endswith("after\n")
