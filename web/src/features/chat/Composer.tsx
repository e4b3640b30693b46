import { useEffect, useRef } from "react";
import { useStore } from "zustand";
import type { StoreApi } from "zustand/vanilla";

interface Props {
  place: string;
  drafts: StoreApi<Record<string, string>>;
  connected: boolean;
  /** Whether nothing can be sent just now: an answer of this device has to end first. */
  held: boolean;
  /** Gives false when the text has to stay where it is. */
  onSend: (text: string) => boolean;
  onStop: (() => void) | null;
}

// Safari ends the composition before the Enter that confirmed it; its code tells.
const composing = (event: KeyboardEvent) => event.isComposing || event.keyCode === 229;

/** The box in which a message is written; Enter sends, Shift+Enter makes a new line. */
export function Composer({ place, drafts, connected, held, onSend, onStop }: Props) {
  const text = useStore(drafts, (all) => all[place] ?? "");
  const box = useRef<HTMLTextAreaElement>(null);
  const setText = (value: string) => drafts.setState({ [place]: value });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another conversation is shown: write there
  useEffect(() => box.current?.focus(), [place]);
  const send = () => {
    if (text.trim() === "") return;
    if (!onSend(text.trim())) return;
    setText("");
    box.current?.focus();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={box}
        aria-label="Message"
        placeholder={connected ? "Write a message" : "Offline: messages will wait here"}
        enterKeyHint="send"
        rows={1}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !composing(event.nativeEvent)) {
            event.preventDefault();
            send();
          }
        }}
      />
      {onStop && (
        <button type="button" className="stop" onClick={onStop}>
          Stop
        </button>
      )}
      <button type="submit" className="send" disabled={held || text.trim() === ""}>
        Send
      </button>
    </form>
  );
}
