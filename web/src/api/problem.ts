// What went wrong with a call: the server's problem+json (RFC 9457), or that there was no answer at all.
import type { components } from './schema'

type ProblemBody = components['schemas']['Problem']
export type FieldProblem = components['schemas']['FieldProblem']

/** No answer: the network is gone, the server is down, or it took too long. */
export const NETWORK = 'network'
/** An answer that is not the server's own, such as a proxy's page. */
const UNREADABLE = 'unreadable'

export class Problem extends Error {
  constructor(
    /** The HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** Stable, for programs. */
    readonly code: string,
    /** For people, in the language that was asked for; empty where the server said nothing. */
    readonly detail: string,
    /** The fields to blame. */
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

  /** Whether the same call may well succeed in a moment. */
  get isPassing(): boolean {
    return this.code === NETWORK || this.status === 502 || this.status === 503 || this.status === 504
  }
}

/** Which field of a form a code without `errors` speaks of. */
const FIELD_OF_CODE: Record<string, string> = {
  email_taken: 'email',
  email_resigned: 'email',
  snack_name_taken: 'name',
  payload_too_large: 'image',
  unsupported_media_type: 'image',
  estimated_arrival_time_required: 'estimated_arrival_time',
}

/** The message for each field of a form; the first one where there are several. */
export function fieldMessages(error: unknown): Record<string, string> {
  if (!(error instanceof Problem)) return {}
  const messages: Record<string, string> = {}
  for (const { field, message } of error.errors) messages[field] ??= message
  const field = FIELD_OF_CODE[error.code]
  if (field) messages[field] ??= error.detail
  return messages
}

/** The messages for the lines of an order, by their position: `snacks[2].uid` and `snacks[2].quantity` blame the third. */
export function lineMessages(error: unknown): Map<number, string> {
  const messages = new Map<number, string>()
  if (!(error instanceof Problem)) return messages
  for (const { field, message } of error.errors) {
    const position = /^snacks\[(\d+)\]/.exec(field)?.[1]
    if (position !== undefined && !messages.has(Number(position))) messages.set(Number(position), message)
  }
  return messages
}
