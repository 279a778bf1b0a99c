"""The HTTP face: OpenAI's, Anthropic's and Homa's own API, over the asynchronous client and nothing else.

server.py         uvicorn with bounds on connections, headers and time; where it may listen
protocol.py       one connection within those bounds
app.py            the routes, a line each
endpoint.py       what happens to every request: who asks, what is asked, and errors in the API's own shape
access/           keys, roles, and what is asked of a request that has no key
request_body.py   a body, read within bounds
job_headers.py    `x-homa-…` and `idempotency-key` as options of a job
asked_jobs.py     requests as jobs of the caller's tenant
live_jobs.py      submits, waits, follows and cancels
departure.py      a client that goes away
waiting.py        a request waits for its job
sent_text.py      a stream whose attempt broke off
answers.py        answers: JSON, and server-sent events
errors.py         what went wrong, with a status, whichever API tells it
dialect.py        how an API tells that
openai/           Chat Completions, Embeddings, Models, Responses
anthropic/        Messages
own/              Homa's jobs, their events, probes
"""
