"""The tool that `homa new tool` writes."""

SOURCE = '''\
"""A tool for models: workers that have this package run it where a job names it in `run_tools`."""

from homa import tool


@tool(idempotent=True)
def $name(text: str) -> int:
    """Counts the words of a text.

    Args:
        text: whose words are counted.
    """
    return len(text.split())
'''

TEST = '''\
"""What the tool answers, and that a job gets it."""

from homa.testing import Answer, fake

from $module import $name


def test_it_counts_words() -> None:
    assert $name("two words") == 2


def test_a_job_goes_on_with_its_result() -> None:
    asks = Answer(tool_calls={"$name": {"text": "two words"}})
    with fake({"How many*": [asks, "There are 2."]}) as homa:
        job = homa.submit("How many words?", model="openai:gpt-6-luna", run_tools=[$name])
        assert job.result(timeout=10).text == "There are 2."
        result = homa.calls[1].messages[-1]
        assert (result["role"], result["content"]) == ("tool", "2")
'''
