"""Models, what is set for them and for all of them, templates, profiles, and the history of all that."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _columns(kind: type[sa.types.TypeEngine[Any]], names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names.split()]


def _one_to_one(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("model_id", sa.String(40), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("model_id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=f"fk_{name}_model_id_models", ondelete="CASCADE"),
    )


def upgrade() -> None:
    """Makes the tables."""
    _models()
    _sampling()
    _memory_and_gpu()
    _advanced()
    _lora_and_multimodal()
    _fit()
    _server()
    _named_sets()
    _history()


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("path", sa.Text),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("architecture", sa.Text),
        sa.Column("parameters", sa.BigInteger),
        sa.Column("quantization", sa.Text),
        sa.Column("trained_context", sa.BigInteger),
        sa.Column("embedding_length", sa.BigInteger),
        sa.Column("layers", sa.BigInteger),
        sa.Column("heads", sa.BigInteger),
        sa.Column("vocabulary", sa.BigInteger),
        sa.Column("tokenizer", sa.Text),
        sa.Column("licence", sa.Text),
        sa.Column("title", sa.Text),
        sa.Column("own_template", sa.Text),
        sa.Column("for_embeddings", sa.Boolean, nullable=False),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("mmproj", sa.Text),
        sa.Column("modified", sa.Float, nullable=False),
        sa.Column("problem", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("own_options", sa.Integer, nullable=False),
        sa.Column("template", sa.String(100)),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("removed_at", sa.BigInteger),
        sa.Column("removed", sa.Text),
        *_columns(sa.Boolean, "embeddings reranking jinja pinned"),
        *_columns(
            sa.BigInteger,
            "ctx_size parallel batch_size ubatch_size threads threads_batch sleep_idle_seconds idle_stop replicas",
        ),
        *_columns(
            sa.Text,
            "flash_attn pooling chat_template chat_template_kwargs reasoning_format reasoning_effort swap_group",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("name", name="uq_models_name"),
    )
    op.create_index("ix_models_own_options", "models", ["own_options"])


def _sampling() -> None:
    _one_to_one(
        "model_sampling_config",
        *_columns(sa.Boolean, "ignore_eos backend_sampling"),
        *_columns(
            sa.BigInteger,
            "top_k seed n_predict repeat_last_n dry_allowed_length dry_penalty_last_n mirostat keep reasoning_budget",
        ),
        *_columns(
            sa.Float,
            "temperature top_p min_p repeat_penalty presence_penalty frequency_penalty typical_p top_n_sigma "
            "xtc_probability xtc_threshold dry_multiplier dry_base adaptive_target adaptive_decay dynatemp_range "
            "dynatemp_exp mirostat_lr mirostat_ent",
        ),
        *_columns(
            sa.Text, "samplers dry_sequence_breakers logit_bias grammar json_schema reasoning reasoning_budget_message"
        ),
    )


def _memory_and_gpu() -> None:
    _one_to_one(
        "model_memory_config",
        *_columns(sa.Boolean, "kv_unified cache_prompt swa_full"),
        *_columns(sa.BigInteger, "cache_ram cache_reuse"),
        *_columns(sa.Text, "cache_type_k cache_type_v load_mode"),
    )
    _one_to_one(
        "model_gpu_config",
        *_columns(sa.Boolean, "kv_offload op_offload"),
        *_columns(sa.BigInteger, "gpu_layers main_gpu n_cpu_moe moe_cache_mib"),
        *_columns(sa.Text, "split_mode tensor_split device override_tensor"),
    )


def _advanced() -> None:
    _one_to_one(
        "model_advanced_config",
        *_columns(
            sa.Boolean,
            "context_shift check_tensors repack no_host warmup cont_batching reasoning_preserve skip_chat_parsing",
        ),
        *_columns(sa.BigInteger, "yarn_orig_ctx ctx_checkpoints checkpoint_min_step"),
        *_columns(
            sa.Float,
            "rope_freq_base rope_freq_scale yarn_ext_factor yarn_attn_factor yarn_beta_slow yarn_beta_fast "
            "slot_prompt_similarity",
        ),
        *_columns(sa.Text, "rope_scaling override_kv lazy_mode fit"),
    )


def _lora_and_multimodal() -> None:
    _one_to_one(
        "model_lora_config",
        *_columns(sa.Boolean, "lora_init_without_apply"),
        *_columns(
            sa.BigInteger,
            "draft_max draft_min draft_gpu_layers draft_threads ngram_size_n ngram_size_m ngram_mod_match "
            "ngram_mod_min ngram_mod_max",
        ),
        *_columns(sa.Float, "draft_p_min"),
        *_columns(
            sa.Text,
            "lora lora_scales control_vectors control_vector_layers spec_type model_draft draft_device "
            "draft_cache_type_k draft_cache_type_v draft_sampling",
        ),
    )
    _one_to_one(
        "model_multimodal_config",
        *_columns(sa.Boolean, "mmproj_auto mmproj_offload"),
        *_columns(sa.BigInteger, "image_min_tokens image_max_tokens mtmd_batch_max_tokens"),
        *_columns(sa.Text, "mmproj mmproj_device"),
    )


def _fit() -> None:
    _one_to_one(
        "model_fit_params",
        sa.Column("analyzed_at", sa.BigInteger, nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("total_bytes", sa.BigInteger, nullable=False),
        sa.Column("weights_bytes", sa.BigInteger, nullable=False),
        sa.Column("kv_bytes", sa.BigInteger, nullable=False),
        sa.Column("compute_bytes", sa.BigInteger, nullable=False),
        sa.Column("output_bytes", sa.BigInteger, nullable=False),
        sa.Column("projector_bytes", sa.BigInteger, nullable=False),
        sa.Column("draft_bytes", sa.BigInteger, nullable=False),
        sa.Column("prompt_cache_bytes", sa.BigInteger, nullable=False),
        sa.Column("runtime_bytes", sa.BigInteger, nullable=False),
        sa.Column("per_device", sa.Text, nullable=False),
        sa.Column("machine_total_bytes", sa.BigInteger, nullable=False),
        sa.Column("machine_available_bytes", sa.BigInteger, nullable=False),
        sa.Column("recommended", sa.Text, nullable=False),
        sa.Column("measured_bytes", sa.BigInteger),
    )


def _server() -> None:
    op.create_table(
        "model_server_config",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        *_columns(sa.Boolean, "kv_unified cache_prompt kv_offload warmup cpu_strict perf cache_idle_slots special"),
        *_columns(
            sa.BigInteger,
            "ctx_size parallel batch_size ubatch_size threads threads_batch sleep_idle_seconds idle_stop top_k "
            "n_predict cache_ram cache_reuse gpu_layers main_gpu threads_http timeout sse_ping_interval verbosity "
            "poll fit_target fit_ctx embd_normalize",
        ),
        *_columns(sa.Float, "temperature top_p min_p"),
        *_columns(
            sa.Text,
            "flash_attn reasoning_format reasoning cache_type_k cache_type_v load_mode split_mode tensor_split "
            "fit numa prio cpu_range",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_server_config"),
    )


def _named_sets() -> None:
    op.create_table(
        "model_templates",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("updated_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_model_templates"),
    )
    op.create_table(
        "model_profiles",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("updated_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_model_profiles"),
    )
    op.create_table(
        "metadata",
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_metadata"),
    )


def _history() -> None:
    op.create_table(
        "config_history",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_config_history"),
    )
    op.create_index("ix_config_history_scope_name_version", "config_history", ["scope", "name", "version"])
