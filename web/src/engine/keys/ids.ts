/** How models of a person's own providers are called among the models of this device. */
const PREFIX = "own:";

export const isOwn = (model: string | null): boolean => model?.startsWith(PREFIX) === true;

export const ownId = (provider: string, model: string): string => `${PREFIX}${provider}:${model}`;

/** The provider and the model of an id; null for one that is none. */
export function readOwnId(id: string): { provider: string; model: string } | null {
  const found = /^own:([^:]+):(.+)$/s.exec(id);
  return found?.[1] && found[2] ? { provider: found[1], model: found[2] } : null;
}
