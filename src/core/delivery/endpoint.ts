/** Addresses that replies are sent to over HTTP. */

/**
 * Why an address cannot be used; null when it can. Only `https:`, and `http:` to this machine: a token in clear text is
 * nobody's wish. The address itself is not repeated, since it may be the secret.
 */
export function endpointProblem(address: string): string | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return 'expected an address such as "https://example.org/hook"';
  }
  if (url.username !== '' || url.password !== '') return 'an address cannot hold a user name or password';
  if (url.protocol === 'https:') return null;
  if (url.protocol !== 'http:')
    return `expected an https address, got one that begins with "${url.protocol}"`;
  return isLoopback(url.hostname) ? null : 'expected https; plain http only to this machine (localhost)';
}

/** An address with one more step of its path; its own query goes along. */
export function withPath(address: string, path: string): string {
  const url = new URL(address);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  return url.href;
}

function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
  );
}
