// Sending a form: busy while it is under way, then its refusals at the fields.
import { computed, nextTick, ref, shallowRef } from 'vue'

import { fieldMessages } from '../api/problem'
import { problemText } from './toasts'

/**
 * `send` is what the form does; `fields` are those that show what is wrong with them; `check` tells what is wrong before
 * anything is sent. While it finds something, nothing is sent.
 */
export function useForm(
  send: () => Promise<void>,
  fields: readonly string[],
  check: () => Record<string, string> = () => ({}),
) {
  const isBusy = ref(false)
  const error = shallowRef<unknown>(null)
  /** The fields that were changed since the server refused them. */
  const changed = ref<readonly string[]>([])

  const refused = computed(() => fieldMessages(error.value))
  const messages = computed(() => {
    const shown = Object.entries(refused.value).filter(([field]) => !changed.value.includes(field))
    return { ...(Object.fromEntries(shown) as Record<string, string>), ...check() }
  })
  /** What no field of the form can show. */
  const problem = computed(() => {
    if (!error.value) return ''
    const blamed = Object.entries(refused.value)
    const isShown = blamed.length > 0 && blamed.every(([field, message]) => fields.includes(field) && message)
    return isShown ? '' : problemText(error.value)
  })

  async function submit(event: Event): Promise<void> {
    const form = event.currentTarget as HTMLElement
    if (isBusy.value) return
    if (Object.keys(check()).length > 0) {
      focusInvalid(form)
      return
    }
    isBusy.value = true
    error.value = null
    changed.value = []
    try {
      await send()
    } catch (refusal) {
      error.value = refusal
      await nextTick()
      focusInvalid(form)
    } finally {
      isBusy.value = false
    }
  }

  /** Takes back what the server said of a field, since it is another value now. */
  function forget(field: string): void {
    changed.value = [...changed.value, field]
  }

  return { isBusy, messages, problem, submit, forget }
}

function focusInvalid(form: HTMLElement): void {
  form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
}
