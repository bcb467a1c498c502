import { computed, ref, watch, type Ref } from 'vue'

import { useSession } from '../session/session'
import { draftedForm, readDraft, removeDraft, writeDraft } from './drafts'

/**
 * Keeps the fields of a form until they are sent or discarded, and restores them when the form is opened again by the same user.
 * No passwords.
 */
export function useDraft<Fields extends object>(form: string, fields: Ref<Fields>) {
  // The session may end while the form is open.
  const user = useSession().userId ?? 0
  const original = ref(JSON.stringify(fields.value))
  const isChanged = computed(() => JSON.stringify(fields.value) !== original.value)

  const draft = readDraft(user, form)
  if (typeof draft === 'object' && draft !== null) fields.value = { ...fields.value, ...draft }
  watch(fields, () => (isChanged.value ? writeDraft(user, form, fields.value) : removeDraft(user, form)), {
    deep: true,
    flush: 'sync',
  })

  /** The fields were sent, discarded or loaded again: they are the original ones from now on. */
  function finish(): void {
    original.value = JSON.stringify(fields.value)
    removeDraft(user, form)
  }

  return { isChanged, finish }
}

/** The rest of the name of a form of the user that has a draft and whose name begins with `prefix`. */
export function useDraftedForm(prefix: string): string | null {
  const { userId } = useSession()
  return userId === null ? null : draftedForm(userId, prefix)
}
