/** The colour of the page, taken from the running release's label, so that another version is visibly another. */

const NAMED: Readonly<Record<string, number>> = {
  red: 27,
  orange: 55,
  amber: 75,
  green: 150,
  teal: 190,
  blue: 264,
  violet: 295,
  purple: 310,
  pink: 350,
};

const DEFAULT = 268;

/** A hue in degrees (OKLCH) for a label: a colour's name stands for itself, other labels get one of their own. */
export function accentHue(label: string): number {
  const words = label
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
  const named = words.map((word) => NAMED[word]).find((hue) => hue !== undefined);
  if (named !== undefined || words.length === 0) return named ?? DEFAULT;
  return scattered(words.join(" "));
}

/** FNV-1a, times the golden angle: labels that differ by one letter lie far apart. */
function scattered(word: string): number {
  let hash = 0x811c9dc5;
  for (const character of word) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return Math.round((hash % 1024) * 137.508) % 360;
}
