import { useEffect, useState } from "react";

/** Puts a text on the clipboard; `what` says which, for those who hear the page. */
export function CopyButton({ text, what }: { text: string | (() => string); what: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  const name = what.charAt(0).toUpperCase() + what.slice(1);
  return (
    <button
      type="button"
      className="quiet"
      aria-label={copied ? `${name} copied` : `Copy ${what}`}
      onClick={() =>
        void navigator.clipboard?.writeText(typeof text === "string" ? text : text()).then(() => setCopied(true))
      }
    >
      {copied ? "Copied" : "Copy"}
    </button>
  );
}
