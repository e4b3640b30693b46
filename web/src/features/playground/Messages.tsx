import { useRef, useState } from "react";
import { bytes } from "../../ui/format";
import { CrossIcon, PlusIcon } from "../../ui/icons";
import { type DraftMessage, message } from "./draft";

const MOST_IMAGES = 4;
const MOST_BYTES = 10_000_000;
const ROLES: Readonly<Record<DraftMessage["role"], string>> = { user: "User", assistant: "Assistant", tool: "Tool" };

/** A picture as a data URL. Rejects with what is wrong with it. */
async function pictureOf(file: File): Promise<string> {
  if (!/^image\/(png|jpeg|webp|gif)$/.test(file.type)) throw new Error(`${file.name} is no PNG, JPEG, WebP or GIF.`);
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than ${bytes(MOST_BYTES)}.`);
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

interface Props {
  one: DraftMessage;
  number: number;
  onChange: (change: Partial<DraftMessage>) => void;
  onRemove: () => void;
}

function Images({ one, number, onChange }: Omit<Props, "onRemove">) {
  const picker = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const take = async (files: FileList | null) => {
    setProblem(null);
    try {
      const added = await Promise.all([...(files ?? [])].slice(0, MOST_IMAGES - one.images.length).map(pictureOf));
      onChange({ images: [...one.images, ...added] });
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <div className="play-images">
      {one.images.map((url, at) => (
        <span key={url.slice(-64) + String(at)} className="play-image">
          <img src={url} alt={`${at + 1} of message ${number}`} />
          <button
            type="button"
            className="quiet"
            aria-label={`Remove image ${at + 1} of message ${number}`}
            onClick={() => onChange({ images: one.images.filter((_, other) => other !== at) })}
          >
            <CrossIcon />
          </button>
        </span>
      ))}
      <input
        ref={picker}
        type="file"
        accept="image/png,image/jpeg,image/webp,image/gif"
        multiple
        className="unseen"
        tabIndex={-1}
        aria-label={`Images of message ${number}`}
        onChange={(event) => {
          void take(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
      {one.images.length < MOST_IMAGES && (
        <button type="button" className="link" onClick={() => picker.current?.click()}>
          Add an image
        </button>
      )}
      {problem && (
        <span role="alert" className="error">
          {problem}
        </span>
      )}
    </div>
  );
}

function MessageField({ one, number, onChange, onRemove }: Props) {
  const label = `${ROLES[one.role]}, message ${number}`;
  return (
    <li className="play-message" data-role={one.role}>
      <div className="play-message-head">
        <select
          className="control"
          aria-label={`Role of message ${number}`}
          value={one.role}
          onChange={(event) => onChange({ role: event.currentTarget.value as DraftMessage["role"] })}
        >
          {Object.entries(ROLES).map(([role, word]) => (
            <option key={role} value={role}>
              {word}
            </option>
          ))}
        </select>
        {one.role === "tool" && (
          <>
            <input
              className="control"
              aria-label={`Tool of message ${number}`}
              placeholder="Tool"
              value={one.name}
              onChange={(event) => onChange({ name: event.currentTarget.value })}
            />
            <input
              className="control"
              aria-label={`Call of message ${number}`}
              placeholder="Id of the call"
              value={one.callId}
              onChange={(event) => onChange({ callId: event.currentTarget.value })}
            />
          </>
        )}
        <button type="button" className="quiet" aria-label={`Remove message ${number}`} onClick={onRemove}>
          <CrossIcon />
        </button>
      </div>
      <textarea
        className="control"
        aria-label={label}
        rows={Math.min(10, Math.max(2, one.content.split("\n").length))}
        value={one.content}
        onChange={(event) => onChange({ content: event.currentTarget.value })}
      />
      {one.role === "assistant" &&
        one.calls.map((call) => (
          <p key={call.id} className="play-call">
            <code>
              {call.name}({call.arguments})
            </code>
          </p>
        ))}
      {one.role === "user" && <Images one={one} number={number} onChange={onChange} />}
    </li>
  );
}

interface ListProps {
  messages: readonly DraftMessage[];
  onChange: (messages: readonly DraftMessage[]) => void;
}

/** The conversation that is sent. */
export function Messages({ messages, onChange }: ListProps) {
  const next = messages.at(-1)?.role === "user" ? "assistant" : "user";
  return (
    <>
      <ol className="play-messages" aria-label="Messages">
        {messages.map((one, at) => (
          <MessageField
            key={one.key}
            one={one}
            number={at + 1}
            onChange={(change) => onChange(messages.with(at, { ...one, ...change }))}
            onRemove={() => onChange(messages.filter((other) => other !== one))}
          />
        ))}
      </ol>
      <button type="button" className="add-line" onClick={() => onChange([...messages, message(next)])}>
        <PlusIcon /> Add a message
      </button>
    </>
  );
}
