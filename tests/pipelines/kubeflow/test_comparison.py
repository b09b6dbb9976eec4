"""Differences are one line per leaf."""

from pipelines.kubeflow.comparison import differences


def test_equal_values_have_none() -> None:
    value = {"cron": "0 0 3 * * *", "arguments": {"s": '{"a":{"b":1}}'}, "on": True}
    assert differences(value, value) == ()
    assert differences(value, value | {"arguments": {"s": '{"a": {"b": 1}}'}}) == ()


def test_a_setting_inside_json_text_is_one_line() -> None:
    found = {"arguments": {"infer": '{"stride":1,"window":7}', "area": "a"}, "on": True}
    wished = {"arguments": {"infer": '{"stride":5,"window":7}', "as_of": "x"}, "on": False}
    assert differences(found, wished) == (
        "arguments.area: a -> nothing",
        "arguments.as_of: nothing -> x",
        "arguments.infer.stride: 1 -> 5",
        "on: true -> false",
    )


def test_what_is_not_known_yet_is_not_compared() -> None:
    assert differences({"id": "1", "cron": "a"}, {"id": None, "cron": "b"}) == ("cron: a -> b",)


def test_text_that_only_looks_like_json_is_text() -> None:
    assert differences({"a": "{x"}, {"a": "{y"}) == ("a: {x -> {y",)
