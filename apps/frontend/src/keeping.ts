/** Text that outlives a reload of this tab. Where storage is forbidden or full, it just does not outlive it. */

export function keptText(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

export function keep(key: string, text: string): void {
  try {
    sessionStorage.setItem(key, text);
  } catch {
    // Private windows and full stores: the page works on without.
  }
}
