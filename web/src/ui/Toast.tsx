import { useEffect, useRef } from "react";

const SHOWN_FOR = 8_000;

/** Says what has been done and offers to undo it; `onClose` is called after some seconds. */
export function Toast({ text, onUndo, onClose }: { text: string; onUndo?: () => void; onClose: () => void }) {
  const close = useRef(onClose);
  useEffect(() => {
    close.current = onClose;
  });
  useEffect(() => {
    const timer = setTimeout(() => close.current(), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="toast" role="status">
      <span>{text}</span>
      {onUndo && (
        <button type="button" onClick={onUndo}>
          Undo
        </button>
      )}
    </div>
  );
}
