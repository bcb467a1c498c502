// The Idempotency-Key for each attempt to order.
//
// If the response to an order is lost, the order may have been placed or not. A retry sends the same body with the same key, so
// that it is placed once. Another body gets another key.

/** 128 random bits in hexadecimal. `crypto.randomUUID` is missing on pages that are served without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export class IdempotencyKeys {
  private last: { key: string; body: string } | null = null

  /** The key to send `body` with. */
  keyFor(body: unknown): string {
    const text = JSON.stringify(body)
    if (this.last?.body !== text) this.last = { key: randomKey(), body: text }
    return this.last.key
  }

  /** Ends the attempt: the same body is another order from now on. */
  reset(): void {
    this.last = null
  }
}
