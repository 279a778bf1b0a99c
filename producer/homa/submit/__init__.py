"""From a prompt and its options to what the store is sent: checked, bounded, reserved, encoded.

job_options.py       the table of all options of a job, a row each
shared_options.py    its rows of options that jobs of every kind have
option_row.py        what a row says, and the flag that a command line has for it
provider_options.py  options that go to the provider as they are
option_checks.py     checks of options, one by one
tool_checks.py       those of tools and schemas
options.py           the options of a request, checked by the table and parted by what they fill
messages.py          prompt, system text and attachments as messages
attachments.py       images and documents as parts of a message
response_format.py   schemas of replies, for the provider and back
fleet_view.py        one version of the fleet's settings, with prices and plans derived from it
template.py          what the requests of one set of options share
fitting.py           targets that cannot do a request
reservations.py      what a request takes from quotas and budgets at each target of its chain
encoded_messages.py  the messages of one request, encoded
request_digests.py   which requests are the same: under an idempotency key, and for the cache
shared_prefixes.py   what the lines of a batch share at their beginning
uploads.py           media and large requests on their way to where they live
batch_chunks.py      batches cut into chunks
line_templates.py    stored templates of a batch's lines
submitter.py         how jobs get into the store
"""
