"""How a conversation becomes text: for training, and as the chat template of the GGUF file."""

from __future__ import annotations

from tools.cria.acts import Turn


def prompt(turns: list[Turn]) -> str:
    """The text the model continues to answer."""
    return "".join(f"<|im_start|>{turn.role}\n{turn.content}<|im_end|>\n" for turn in turns) + "<|im_start|>assistant\n"


CHAT_TEMPLATE = """\
{%- set ns = namespace(system='', first=0, argument='') -%}
{%- if messages and messages[0].role == 'system' -%}
{%- set ns.system = messages[0].content if messages[0].content is string else '' -%}{%- set ns.first = 1 -%}
{%- endif -%}
{%- if tools -%}
{%- set ns.system = (ns.system + '\\n\\n' if ns.system else '') + 'Tools:' -%}
{%- for tool in tools -%}
{%- set ns.argument = '' -%}
{%- for name in tool.function.parameters.properties or {} -%}
{%- if not ns.argument -%}{%- set ns.argument = name -%}{%- endif -%}
{%- endfor -%}
{%- set ns.system = ns.system + '\\n' + tool.function.name + '(' + ns.argument + ')' -%}
{%- endfor -%}
{%- endif -%}
{%- if ns.system -%}{{- '<|im_start|>system\\n' + ns.system + '<|im_end|>\\n' -}}{%- endif -%}
{%- for message in messages[ns.first:] -%}
{{- '<|im_start|>' + message.role + '\\n' + (message.content if message.content is string else '') -}}
{%- for call in message.tool_calls or [] -%}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' -}}
{{- call.function.arguments if call.function.arguments is string else call.function.arguments | tojson -}}
{{- '}\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
"""Renders what `encode` trains on; tools are shown by name and first parameter."""
