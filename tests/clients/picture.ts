/** A PNG of eight by eight pixels. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP4sEoDK2IYWhIAJ1xwgTCquMAAAAAASUVORK5CYII=',
  'base64',
)

/** Whether the bytes begin as a PNG or a JPEG does. */
export function isPicture(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 3)).toString('latin1')
  return head === '\x89PN' || head === '\xff\xd8\xff'
}
