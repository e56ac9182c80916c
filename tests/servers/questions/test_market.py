"""The lake that questions are tested on holds what they are about."""

from tests.support.simulated_market import FIRST_HOUR, Market


def test_the_market_has_what_questions_are_about(market: Market) -> None:
    assert market.hours[0] == FIRST_HOUR
    assert len(market.hours) == 6
    assert market.hours[-1] - market.hours[0] > 5 * (market.hours[1] - market.hours[0])  # a gap
    listed = {
        hour: {row.user_id for each in market.of_hour(hour) for row in each.rows}
        for hour in market.hours
    }
    assert any(len(listed[hour]) > len(market.last_of(hour).rows) for hour in market.hours)
    everybody = set().union(*listed.values())
    came_back = [
        user_id
        for user_id in everybody
        if 0 < len(market.listed_hours(user_id)) < len(market.hours)
    ]
    assert came_back
    assert any(each.own and each.own.rank == 0 for each in market.served)
    assert len({market.seller(user_id).shop_tag for user_id in everybody}) > 2
    ranks = market.database["ranks"]
    assert ranks.count_documents({"room_id": {"$ne": None}, "listed": True}) > 50
    assert ranks.count_documents({"listed": False}) > 20
