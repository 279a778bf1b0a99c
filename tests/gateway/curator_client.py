"""What bespokelabs-curator does: a batch of prompts by the Batch API, answers as a table; prints one JSON document.

Run in an environment of its own: `curator_client.py URL MODEL FOLDER`.
"""

from __future__ import annotations

import json
import sys

from bespokelabs import curator

url, model, folder = sys.argv[1:]
llm = curator.LLM(
    model_name=model,
    backend="openai",
    batch=True,
    backend_params={
        "base_url": f"{url}/v1",
        "batch_size": 2,
        "batch_check_interval": 1,
        "in_mtok_cost": 1,
        "out_mtok_cost": 1,
    },
)
answers = llm(["hello 0", "hello 1", "hello 2"], working_dir=folder)
sys.stdout.write(json.dumps(sorted(row["response"] for row in answers.dataset)))
