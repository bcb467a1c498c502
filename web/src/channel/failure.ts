/** The kind of failure that an HTTP status stands for. Null if there was no response. */
export function failureOf(status: number | null): string {
  if (status === null) return 'none'
  if (status < 400) return 'redirect'
  if (status === 401 || status === 403) return 'denied'
  if (status === 404) return 'missing'
  if (status === 410) return 'gone'
  if (status === 429) return 'busy'
  return status < 500 ? 'rejected' : 'broken'
}
