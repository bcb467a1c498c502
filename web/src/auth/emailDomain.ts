/** The domain of an email in its ASCII form, as the server compares it. Null while there is none. */
export function emailDomain(email: string): string | null {
  const [, domain] = /@([^@\s]+)\s*$/.exec(email) ?? []
  const url = `http://${domain}`
  return domain && URL.canParse(url) ? new URL(url).hostname : null
}
