"""What applications do with LiteLLM, LangChain and Instructor; prints one JSON document.

Run in an environment of its own: `third_party_clients.py URL MODEL CLAUDE EMBEDDER`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import instructor
import litellm
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import OpenAI
from pydantic import BaseModel

url, model, claude, embedder = sys.argv[1:]
v1 = f"{url}/v1"
TOOL = '[[tool:Weather {"city": "Oslo"}]] weather?'


class Weather(BaseModel):
    """The weather of a city."""

    city: str


def through_litellm() -> dict[str, Any]:
    found: dict[str, Any] = {}
    hello = [{"role": "user", "content": "hello"}]
    here: dict[str, Any] = {"api_base": v1, "api_key": "none"}
    reply = litellm.completion(model=f"openai/{model}", messages=hello, max_tokens=50, **here)
    found["chat"] = reply.choices[0].message.content
    pieces = litellm.completion(
        model=f"openai/{claude}", messages=hello, stream=True, stream_options={"include_usage": True}, **here
    )
    found["stream"] = "".join(chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices)
    tools = [{"type": "function", "function": {"name": "Weather", "parameters": Weather.model_json_schema()}}]
    asked = [{"role": "user", "content": TOOL}]
    replied = litellm.completion(model=f"openai/{model}", messages=asked, tools=tools, **here)
    (call,) = replied.choices[0].message.tool_calls
    found["tools"] = [call.function.name, json.loads(call.function.arguments)]
    vectors = litellm.embedding(model=f"openai/{embedder}", input=["one", "two"], **here)
    found["embeddings"] = [len(row["embedding"]) for row in vectors.data]
    found["response"] = litellm.responses(model=f"openai/{model}", input="hello", **here).output_text
    streamed = litellm.responses(model=f"openai/{model}", input="hello", stream=True, **here)
    found["response_stream"] = "".join(
        event.delta for event in streamed if getattr(event, "type", "") == "response.output_text.delta"
    )
    message = litellm.completion(
        model=f"anthropic/{model}", messages=hello, max_tokens=50, api_base=url, api_key="none"
    )
    found["messages"] = message.choices[0].message.content
    try:
        litellm.completion(model="openai/nobody:x", messages=hello, num_retries=0, **here)
    except litellm.NotFoundError as error:
        found["error"] = error.status_code
    found["batch"] = _litellm_batch(here)
    return found


def _litellm_batch(here: dict[str, Any]) -> list[str]:
    lines = [
        {
            "custom_id": f"c{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": f"hello {number}"}]},
        }
        for number in range(3)
    ]
    content = ("lines.jsonl", "\n".join(map(json.dumps, lines)).encode())
    file = litellm.create_file(file=content, purpose="batch", custom_llm_provider="openai", **here)
    batch = litellm.create_batch(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        custom_llm_provider="openai",
        metadata={"kind": "test"},
        **here,
    )
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.1)
        batch = litellm.retrieve_batch(batch_id=batch.id, custom_llm_provider="openai", **here)
    assert batch.status == "completed", batch
    output = litellm.file_content(file_id=batch.output_file_id, custom_llm_provider="openai", **here)
    return sorted(json.loads(row)["custom_id"] for row in output.text.splitlines())


def through_langchain() -> dict[str, Any]:
    found: dict[str, Any] = {}
    chat = ChatOpenAI(model=model, base_url=v1, api_key="none", max_tokens=50, max_retries=0)
    found["chat"] = chat.invoke("hello").content
    found["stream"] = "".join(str(piece.content) for piece in chat.stream("hello"))
    found["usage"] = chat.invoke("hello").usage_metadata["input_tokens"] > 0
    (call,) = chat.bind_tools([Weather]).invoke(TOOL).tool_calls
    found["tools"] = [call["name"], call["args"]]
    parsed = chat.with_structured_output(Weather, method="function_calling").invoke(TOOL)
    found["structured"] = parsed.city
    responses = ChatOpenAI(model=claude, base_url=v1, api_key="none", use_responses_api=True, max_retries=0)
    found["response"] = responses.invoke([HumanMessage("hello")]).text
    found["response_stream"] = "".join(piece.text for piece in responses.stream("hello"))
    (call,) = responses.bind_tools([Weather]).invoke(TOOL).tool_calls
    found["response_tools"] = [call["name"], call["args"]]
    found["batch"] = [len(reply.content) > 0 for reply in chat.batch(["one", "two", "three"])]
    # By itself it counts tokens and sends those, for which it would fetch an encoding.
    vectors = OpenAIEmbeddings(model=embedder, base_url=v1, api_key="none", check_embedding_ctx_length=False)
    found["embeddings"] = [len(vector) for vector in vectors.embed_documents(["one", "two"])]
    return found


def through_instructor() -> dict[str, Any]:
    found: dict[str, Any] = {}
    client = OpenAI(base_url=v1, api_key="none", max_retries=0)
    asked: list[Any] = [{"role": "user", "content": TOOL}]
    for mode in (instructor.Mode.TOOLS, instructor.Mode.RESPONSES_TOOLS):
        made = instructor.from_openai(client, mode=mode)
        found[mode.name] = made.chat.completions.create(model=model, response_model=Weather, messages=asked).city
    return found


def main() -> None:
    through = (through_litellm, through_langchain, through_instructor)
    sys.stdout.write(json.dumps({one.__name__.removeprefix("through_"): one() for one in through}))


main()
