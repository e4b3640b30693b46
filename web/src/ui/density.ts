const PLACE = "corral.density";
export const DENSITIES = ["comfortable", "compact"] as const;
export type Density = (typeof DENSITIES)[number];

/** How much room rows take, as it was chosen last. */
export function density(): Density {
  return localStorage.getItem(PLACE) === "compact" ? "compact" : "comfortable";
}

/** Shows all pages in the chosen density and keeps it over a reload; without a choice the kept one. */
export function showDensity(chosen: Density = density()): void {
  localStorage.setItem(PLACE, chosen);
  document.documentElement.dataset.density = chosen;
}
