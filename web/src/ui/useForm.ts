import { computed, nextTick, ref, shallowRef } from 'vue'

import { fieldMessages } from '../api/problem'
import { problemText } from './toasts'

interface FormOptions {
  /** Sends the form. */
  send: () => Promise<void>
  /** The fields that can show a message. */
  fields: readonly string[]
  /** The field for error codes that name none. */
  fieldOfCode?: Record<string, string>
  /** Messages of the browser's own validation. The form is not sent while there are any. */
  validate?: () => Record<string, string>
}

/** The state of a form: busy while it is being sent, then the server's errors at the fields. */
export function useForm({ send, fields, fieldOfCode, validate = () => ({}) }: FormOptions) {
  const isBusy = ref(false)
  const error = shallowRef<unknown>(null)
  /** The fields that were changed after the server's errors. */
  const changed = ref<readonly string[]>([])

  const serverMessages = computed(() => fieldMessages(error.value, fieldOfCode))
  const messages = computed(() => {
    const shown = Object.entries(serverMessages.value).filter(([field]) => !changed.value.includes(field))
    return { ...(Object.fromEntries(shown) as Record<string, string>), ...validate() }
  })
  /** An error that no field of the form can show. */
  const problem = computed(() => {
    if (!error.value) return ''
    const entries = Object.entries(serverMessages.value)
    const isShown = entries.length > 0 && entries.every(([field, message]) => fields.includes(field) && message)
    return isShown ? '' : problemText(error.value)
  })

  async function submit(event: Event): Promise<void> {
    const form = event.currentTarget as HTMLElement
    if (isBusy.value) return
    if (Object.keys(validate()).length > 0) {
      focusInvalid(form)
      return
    }
    isBusy.value = true
    error.value = null
    changed.value = []
    try {
      await send()
    } catch (caught) {
      error.value = caught
      await nextTick()
      focusInvalid(form)
    } finally {
      isBusy.value = false
    }
  }

  /** Removes the server's message from a field whose value has changed. */
  function clearMessage(field: string): void {
    changed.value = [...changed.value, field]
  }

  return { isBusy, messages, problem, submit, clearMessage }
}

function focusInvalid(form: HTMLElement): void {
  form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
}
