import { memo } from "react";

/** What the person wrote. */
export const UserMessage = memo(function UserMessage({ text }: { text: string }) {
  return (
    <article className="user" data-testid="message-user" aria-label="You">
      {text}
    </article>
  );
});
