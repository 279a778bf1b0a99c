"""Names of parameters that one maker's models alone take, by maker: a job that goes on to another's says so still.

An answer can do without all of them, but for those of `LEGACY`. Sources: the parameter types of the makers' SDKs, the
references of Mistral's and Ollama's APIs.
"""

from __future__ import annotations

from homa_shared.kinds.parameter_rules import refused

OPENAI = frozenset(
    "function_call logit_bias modalities moderation prediction prompt_cache_options prompt_cache_retention verbosity "
    "web_search_options".split()
)
ANTHROPIC = frozenset(
    "anthropic_beta billing_policy cache_control compaction container diagnostics inference_geo mcp_servers "
    "output_config speed stop_sequences thinking top_k".split()
)
GOOGLE = frozenset(
    "cached_content candidate_count image_config max_output_tokens media_resolution response_json_schema "
    "response_mime_type response_modalities response_schema safety_settings speech_config thinking_config tool_config "
    "top_k".split()
)
AMAZON = frozenset(
    "additionalModelResponseFieldPaths guardrailConfig outputConfig performanceConfig promptVariables reasoningConfig "
    "requestMetadata serviceTier".split()
)
MISTRAL = frozenset("guardrails prompt_mode random_seed safe_prompt".split())
#: Of servers that one runs oneself.
LOCAL = frozenset("keep_alive min_p repetition_penalty".split())

#: What must not be left out unseen: the job would be another one.
LEGACY = (
    refused("functions", "takes no functions: give them as tools"),
    refused("audio", "answers in text only"),
)
