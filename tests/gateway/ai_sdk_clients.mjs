// What an application does with Vercel's AI SDK; prints one JSON document.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";

const [url, model, claude, embedder] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: "none" });
const prompt = '[[tool:weather {"city": "Oslo"}]] weather?';
const tools = { weather: tool({ description: "Weather of a city.", inputSchema: z.object({ city: z.string() }) }) };
const found = {};

for (const [name, of] of [["chat", openai.chat(model)], ["responses", openai.responses(model)], ["messages", anthropic(claude)]]) {
  found[name] = (await generateText({ model: of, prompt: "hello", maxRetries: 0 })).text;
  const streamed = streamText({ model: of, prompt: "hello", maxRetries: 0, onError: ({ error }) => { throw error; } });
  let text = "";
  for await (const piece of streamed.textStream) text += piece;
  found[`${name}_stream`] = [text, await streamed.finishReason];
  const { toolCalls } = await generateText({ model: of, prompt, tools, maxRetries: 0 });
  found[`${name}_tools`] = toolCalls.map((call) => [call.toolName, call.input]);
}
found.embeddings = (await embedMany({ model: openai.textEmbeddingModel(embedder), values: ["one", "two"] })).embeddings.map((row) => row.length);
try {
  await generateText({ model: openai.chat("nobody:x"), prompt: "hello", maxRetries: 0 });
} catch (error) {
  found.error = error.statusCode;
}
console.log(JSON.stringify(found));
