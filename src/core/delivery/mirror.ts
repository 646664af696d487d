/** What a transcript says of something that was sent for a session without a turn of its own. */

/**
 * The text and the names of the files that went with it, each on its own line; null where there is neither.
 *
 * @param mediaUrls addresses or paths; what stands behind `?` or `#` (often a signature) is left out
 */
export function mirrorText(text: string, mediaUrls: readonly string[] = []): string | null {
  const lines = [text.trim(), ...mediaUrls.map(fileName)].filter(line => line !== '');
  return lines.length > 0 ? lines.join('\n') : null;
}

function fileName(url: string): string {
  const place = url
    .trim()
    .replace(/[?#].*$/s, '')
    .replace(/[\\/]+$/, '');
  const name = place.slice(Math.max(place.lastIndexOf('/'), place.lastIndexOf('\\')) + 1);
  try {
    return decodeURIComponent(name);
  } catch (error) {
    if (error instanceof URIError) return name;
    throw error;
  }
}
