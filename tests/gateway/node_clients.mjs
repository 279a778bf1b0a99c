// What an application does with OpenAI's and Anthropic's own clients for Node.js; prints one JSON document.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [url, model, claude, embedder] = process.argv.slice(2);
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];
const called = [{ role: "user", content: '[[tool:weather {"city": "Oslo"}]] weather?' }];
const schema = { type: "object", properties: { city: { type: "string" } } };
const found = {};

const chat = await openai.chat.completions.create({ model, messages, max_tokens: 50 });
found.chat = chat.choices[0].message.content;

const streamed = openai.chat.completions.stream({ model: claude, messages, max_tokens: 50 });
let pieces = "";
for await (const chunk of streamed) pieces += chunk.choices[0]?.delta?.content ?? "";
found.stream = [pieces, (await streamed.finalChatCompletion()).choices[0].message.content];

const tools = [{ type: "function", function: { name: "weather", parameters: schema } }];
const asked = openai.chat.completions.stream({ model, messages: called, tools, max_tokens: 100 });
let deltas = 0;
asked.on("tool_calls.function.arguments.delta", () => (deltas += 1));
const call = (await asked.finalChatCompletion()).choices[0].message.tool_calls[0].function;
found.tools = [call.name, JSON.parse(call.arguments), deltas];

const vectors = await openai.embeddings.create({ model: embedder, input: ["one", "two"] });
found.embeddings = vectors.data.map((row) => row.embedding.length);

found.response = (await openai.responses.create({ model, input: "hello", max_output_tokens: 50 })).output_text;
let events = "";
for await (const event of await openai.responses.create({ model, input: "hello", stream: true })) {
  if (event.type === "response.output_text.delta") events += event.delta;
}
found.response_stream = events;
let background = await openai.responses.create({ model, input: "hello", background: true });
while (["queued", "in_progress"].includes(background.status)) background = await openai.responses.retrieve(background.id);
found.background = background.status;

const message = await anthropic.messages.create({ model, messages, max_tokens: 50 });
found.message = message.content[0].text;
const stream = anthropic.messages.stream({ model: claude, messages, max_tokens: 50 });
let text = "";
stream.on("text", (piece) => (text += piece));
const whole = (await stream.finalMessage()).content[0].text;
found.message_stream = [text, whole];
const use = await anthropic.messages
  .stream({ model, messages: called, max_tokens: 100, tools: [{ name: "weather", input_schema: schema }] })
  .finalMessage();
found.message_tools = use.content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]);
found.count = (await anthropic.messages.countTokens({ model, messages })).input_tokens;

try {
  await openai.chat.completions.create({ model: "nobody:x", messages });
} catch (error) {
  found.error = [error.constructor.name, error.status, error.code];
}
try {
  await anthropic.messages.create({ model: "nobody:x", messages, max_tokens: 5 });
} catch (error) {
  found.message_error = [error.constructor.name, error.status, error.error.error.type];
}
console.log(JSON.stringify(found));
