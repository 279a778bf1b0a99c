"""What parameters do to the cost of a call: which cost nothing, which are read as text, which have no bound.

A bound must hold for whatever is sent. So each parameter counts by the UTF-8 bytes of its JSON, as part of the prompt,
unless it stands in `FREE`; what may cost more than its bytes stands in `UNBOUNDED`, with the reason. A name that is in
no table may be any server's own: it counts by its bytes too, unless its value may multiply or name something
(`homa_shared.quota.unbounded`). Names are those of OpenAI's two APIs, and those that adapters pass on as they are.

Sources: platform.openai.com/docs/api-reference (chat, responses, embeddings), platform.claude.com/docs/en/api/messages,
ai.google.dev/api/generate-content, docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
docs.mistral.ai/api, docs.cohere.com/docs/compatibility-api, docs.vllm.ai (OpenAI-compatible server),
openrouter.ai/docs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from homa_shared.calls.account_params import CAP_NAMES

#: Names under which an output cap may reach a model. The largest that is given counts.
OUTPUT_CAPS = (
    *CAP_NAMES,
    "maxOutputTokens",
    "maxTokens",
    "max_gen_len",
    "max_new_tokens",
    "max_tokens_to_sample",
    "num_predict",
)
#: Names of the number of replies that one call is billed for.
REPLIES = ("n", "candidate_count", "candidateCount")
#: Text that the model is to expect: what its answer does not have of it is billed as output beside the answer
#: (platform.openai.com/docs/guides/predicted-outputs).
PREDICTION = "prediction"

#: Parameters that change no number of tokens beyond the output cap, nor any rate.
FREE = frozenset(
    {
        # Sampling.
        "bad_words", "bad_words_ids", "detokenize", "early_stopping", "frequency_penalty", "ignore_eos",
        "include_stop_str_in_output", "k", "length_penalty", "logit_bias", "logprobs", "min_p", "min_tokens",
        "mirostat", "mirostat_eta", "mirostat_tau", "no_repeat_ngram_size", "num_ctx", "p", "presence_penalty",
        "prompt_logprobs", "random_seed", "repeat_last_n", "repeat_penalty", "repetition_penalty",
        "response_logprobs", "return_token_ids", "seed",
        "skip_special_tokens", "spaces_between_special_tokens", "stop", "stop_sequences", "stop_token_ids",
        "temperature", "tfs_z", "top_a", "top_k", "top_logprobs", "top_n_logprobs", "top_p", "topK", "topP",
        "typical_p", "use_beam_search",
        # How much of the output cap is thought: all of it counts towards the cap, at every provider.
        "enable_thinking", "include_reasoning", "prompt_mode", "reasoning", "reasoning_budget", "reasoning_effort",
        "reasoning_format", "reasoningConfig", "think", "thinking", "thinking_budget", "thinking_config",
        "thinkingConfig", "verbosity",
        # How tools are chosen; how many calls an answer holds is bounded by its cap.
        "allowed_tools", "disable_parallel_tool_use", "function_call", "max_tool_calls", "parallel_tool_calls",
        "tool_choice", "tool_config",
        # What is stored, shown or traced.
        "additionalModelResponseFieldPaths", "citation_options", "include", "labels", "media_resolution", "metadata",
        "moderation", "requestMetadata", "return_tokens_as_token_ids", "safe_mode", "safety_identifier",
        "safety_mode", "safety_settings", "safetySettings", "store", "stream", "stream_options", "trace", "user",
        "user_security_context",
        # Caches at the provider: a bound takes all input at the dearest rate, writing to a cache included.
        "cache_control", "cache_salt", "keep_alive", "prompt_cache_breakpoint", "prompt_cache_key",
        "prompt_cache_options", "prompt_cache_retention",
        # What is cut off; what is asked first.
        "priority", "transforms", "truncate", "truncate_prompt_tokens", "truncation",
        # Vectors.
        "dimensions", "embedding_type", "embedding_types", "encoding_format", "input_type", "normalize",
        "output_dimension", "output_dimensionality", "output_dtype", "task_type", "taskType",
        # Audio is output up to the cap, at the dearest output rate.
        "audio", "modalities",
    }
)  # fmt: skip

#: Parameters that are read as text, whatever numbers and names stand in them.
READ_AS_TEXT = frozenset(
    {
        "chat_template_kwargs", "documents", "format", "functions", "grammar", "guided_choice", "guided_grammar",
        "guided_json", "guided_regex", "instructions", "json_schema", "output_config", "outputConfig", "output_format",
        PREDICTION,
        "response_format", "response_json_schema", "response_mime_type", "response_schema", "safe_prompt",
        "structured_outputs", "text", "title", "tools",
    }
)  # fmt: skip

_LEAVE_OUT = "leave it out"
_FETCHES = "what it fetches is billed as input, and nobody knows how much that is"
_ELSEWHERE = "what it names is billed as input, and only the provider knows how much that is"
_DEARER = "its prices are in no price list"
_MULTIPLIES = "it multiplies what one call is billed; give n, or submit the job several times"

#: Those of them that only choose a price: bounded at a target whose kind has prices for them (kinds/billing.py).
PRICED_BY_SOME = frozenset({"inference_geo", "serviceTier", "speed"})

#: Parameters whose cost nobody can bound from the request → why.
UNBOUNDED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("best_of", "num_completions", "num_generations", "num_return_sequences", "numResults", "num_beams"),
            _MULTIPLIES,
        ),
        **dict.fromkeys(
            ("cached_content", "cachedContent", "container", "conversation", "data_sources", "preset", "prompt",
             "prompt_id", "promptVariables", "previous_response_id", "response_id", "session_id", "thread_id"),
            f"{_ELSEWHERE}; send the text itself",
        ),
        **dict.fromkeys(
            ("citations", "connectors", "enable_search", "mcp_servers", "plugins", "search", "search_options",
             "search_parameters", "web_search", "web_search_options"),
            f"{_FETCHES}; use tools that you or the worker run",
        ),
        **dict.fromkeys(
            ("background", "background_options", "context_management", "compaction", "task_budget"),
            f"the provider may make further calls of its own for it; {_LEAVE_OUT}",
        ),
        **dict.fromkeys(
            ("fallbacks", "model", "model_selection_config", "models", "provider", "route", "routing_config"),
            "another model may be called, at its own price; name it as the job's model or fallback",
        ),
        **dict.fromkeys(
            ("contents", "input", "inputs", "input_text", "messages", "modelId", "texts"),
            "it takes the place of the job's own prompt; give that as prompt, messages or texts",
        ),
        **dict.fromkeys(
            ("extra_body", "extra_headers", "extra_query", "generation_config", "generationConfig",
             "inferenceConfig", "http_options", "textGenerationConfig"),
            "it may hold any parameter; give each by its own name",
        ),
        **dict.fromkeys(
            ("guardrailConfig", "guardrails", "inference_geo", "performanceConfig", "response_modalities",
             "responseModalities", "serviceTier", "speed", "image_config"),
            f"{_DEARER}; {_LEAVE_OUT}",
        ),
        "chat_template": f"a template may repeat the prompt; {_LEAVE_OUT}",
        "images": "pictures count by their size; show them as image_url parts of messages",
    }
)  # fmt: skip
