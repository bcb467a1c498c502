// The text typed in forms, kept in this tab until it is sent or discarded, so that it survives a reload and an expired session.
const KEY = 'snack.drafts'
/** The oldest drafts go first. */
const MAX_DRAFTS = 10
/** In characters, of all drafts. */
const MAX_LENGTH = 100_000

interface Draft {
  user: number
  form: string
  value: unknown
}

function read(): Draft[] {
  try {
    const drafts: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '[]')
    return Array.isArray(drafts) ? drafts : []
  } catch {
    return []
  }
}

function write(drafts: Draft[]): void {
  let kept = drafts.slice(-MAX_DRAFTS)
  while (JSON.stringify(kept).length > MAX_LENGTH) kept = kept.slice(1)
  if (kept.length > 0) sessionStorage.setItem(KEY, JSON.stringify(kept))
  else sessionStorage.removeItem(KEY)
}

const isOf = (user: number, form: string) => (draft: Draft) => draft.user === user && draft.form === form

export function readDraft(user: number, form: string): unknown {
  return read().find(isOf(user, form))?.value
}

export function writeDraft(user: number, form: string, value: unknown): void {
  write([...read().filter((draft) => !isOf(user, form)(draft)), { user, form, value }])
}

export function removeDraft(user: number, form: string): void {
  write(read().filter((draft) => !isOf(user, form)(draft)))
}

/** The rest of the name of the last form whose name begins with `prefix` and that has a draft. */
export function draftedForm(user: number, prefix: string): string | null {
  const last = read().findLast((draft) => draft.user === user && draft.form.startsWith(prefix))
  return last ? last.form.slice(prefix.length) : null
}

/** Removes the drafts of a user who has signed out. */
export function removeDraftsOf(user: number): void {
  write(read().filter((draft) => draft.user !== user))
}
