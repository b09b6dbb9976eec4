from tests.sources_table import PAGE, with_table


def test_the_table_of_sources_and_models_is_that_of_their_signatures():
    assert with_table(PAGE.read_text()) == PAGE.read_text(), "run python -m tests.sources_table"
