/** Where a scroll container stands. */
export interface Place {
  top: number;
  /** The height of all content. */
  height: number;
  /** The height of what is seen. */
  view: number;
}

const NEAR = 48;

/**
 * Whether to keep the end in view after a scroll from `before` to `now`. Moving up by any amount releases it, so
 * growing text never fights the reader; coming back down to near the end takes it up again.
 */
export function keepsFollowing(following: boolean, before: Place, now: Place): boolean {
  const rest = now.height - now.top - now.view;
  if (rest <= 1) return true;
  // Content that shrinks moves the place as well; that is not the reader's doing.
  if (now.top < before.top) return following && now.height < before.height;
  return now.top > before.top && rest <= NEAR ? true : following;
}
