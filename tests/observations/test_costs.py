from groundshift.observations.costs import Cost, in_words, total, write_costs


def test_costs_are_summed_by_sensor_and_month(tmp_path):
    costs = total(
        [
            Cost("s2", "2020-02", 1, 2, 0.5, 100),
            Cost("s1", "2020-01", 1, 1, 0.25, 10),
            Cost("s2", "2020-01", 1, 2, 0.5, 100),
            Cost("s2", "2020-02", 1, 4, 1.5, 2_000_000),
        ]
    )
    write_costs(tmp_path, costs)
    assert (tmp_path / "costs.csv").read_text().splitlines() == [
        "sensor,month,images,requests,units,bytes",
        "s1,2020-01,1,1,0.25,10",
        "s2,2020-01,1,2,0.5,100",
        "s2,2020-02,2,6,2.0,2000100",
    ]
    assert in_words(costs)[1] == ("s2: 3 images in 8 requests cost 2.5 processing units, 2 MB")
