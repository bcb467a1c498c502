// Which Idempotency-Key goes with which try to order.
//
// When the answer to an order gets lost, nobody knows whether it was placed. The same body goes out again under the same key,
// so that it is placed once; another body is another attempt and gets a key of its own.

/** 128 random bits in hexadecimal. `crypto.randomUUID` is not there on a page that is served without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export class Attempts {
  private last: { key: string; body: string } | null = null

  /** The key to send `body` with. */
  keyFor(body: unknown): string {
    const text = JSON.stringify(body)
    if (this.last?.body !== text) this.last = { key: randomKey(), body: text }
    return this.last.key
  }

  /** The last attempt was answered, and that is that: the same body would be another order. */
  done(): void {
    this.last = null
  }
}
