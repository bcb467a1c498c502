// Why a request failed: the server's problem+json (RFC 9457), or no response at all.
import type { components } from './schema'

type ProblemBody = components['schemas']['Problem']
export type FieldProblem = components['schemas']['FieldProblem']

/** No response: the network or the server is down, or the request timed out. */
export const NETWORK = 'network'
/** A response that is not the server's own, such as a proxy's page. */
const UNREADABLE = 'unreadable'

export class Problem extends Error {
  constructor(
    /** The HTTP status; 0 without a response. */
    readonly status: number,
    /** Stable, for programs. */
    readonly code: string,
    /** For people, in the requested language; may be empty. */
    readonly detail: string,
    /** The invalid fields. */
    readonly errors: FieldProblem[] = [],
  ) {
    super(`${status} ${code}: ${detail}`)
    this.name = 'Problem'
  }

  static network(): Problem {
    return new Problem(0, NETWORK, '')
  }

  static read(status: number, body: unknown): Problem {
    if (typeof body === 'object' && body !== null && 'code' in body) {
      const { code, detail, errors } = body as ProblemBody
      return new Problem(status, code, detail, errors)
    }
    return new Problem(status, UNREADABLE, '')
  }

  /** The same problem with another message for a field. */
  withMessage(field: string, message: string): Problem {
    const errors = this.errors.map((error) => (error.field === field ? { ...error, message } : error))
    return new Problem(this.status, this.code, this.detail, errors)
  }

  /** True if a retry may succeed. */
  get isTemporary(): boolean {
    return this.code === NETWORK || this.status === 502 || this.status === 503 || this.status === 504
  }
}

/**
 * The message for each field of a form, the first one if there are several. `fieldOfCode` names the field for codes that come
 * without `errors`.
 */
export function fieldMessages(error: unknown, fieldOfCode: Record<string, string> = {}): Record<string, string> {
  if (!(error instanceof Problem)) return {}
  const messages: Record<string, string> = {}
  for (const { field, message } of error.errors) messages[field] ??= message
  const field = fieldOfCode[error.code]
  if (field) messages[field] ??= error.detail
  return messages
}
