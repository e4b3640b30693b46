const mac = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.platform);

/** How the key that goes with shortcuts is called here. */
export const MOD = mac ? "⌘" : "Ctrl";
