"""``scrapy names``: what a seller was called, and who was called so."""

from rankspider.questions.command import Asking, QuestionCommand
from rankspider.questions.names import ProfilePeriod, called, names
from rankspider.report import Report
from rankspider.terminal import harmless, shortened


class Command(QuestionCommand):
    name = "names"
    names_an_anchor = True
    asks_of_a_list = False
    asks_of_a_time = False
    summary = "What a seller was called, and who was called so, with dates"
    description = (
        "Every profile that the lake has of ANCHOR: names, signature, and what changed, avatar "
        "included. A nickname or display_id shows all who ever were called exactly so. As in: "
        "scrapy names 25892778718, or scrapy names 'NAME OF LAST YEAR'."
    )

    def answer(self, asking: Asking) -> Report:
        assert asking.name is not None
        name = asking.name.strip()
        user_ids = called(asking.database, name) or {asking.anchor().user_id}
        rows = names(asking.database, user_ids, name)
        return Report(f"Names: {shortened(harmless(name), 80)}", ProfilePeriod, rows)
