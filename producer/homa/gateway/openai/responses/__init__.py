"""OpenAI's Responses: a response is a job, which outlives gateway and client. Shapes: `openai.types.responses` 3.54."""
