// Sending a form: busy while it is under way, then its refusals at the fields.
import { computed, nextTick, ref, shallowRef } from 'vue'

import { fieldMessages } from '../api/problem'
import { problemText } from './toasts'

/** `send` is what the form does; `fields` are those that show what is wrong with them. */
export function useForm(send: () => Promise<void>, fields: readonly string[]) {
  const isBusy = ref(false)
  const error = shallowRef<unknown>(null)

  const messages = computed(() => fieldMessages(error.value))
  /** What no field of the form can show. */
  const problem = computed(() => {
    if (!error.value) return ''
    const shown = Object.keys(messages.value)
    return shown.length > 0 && shown.every((field) => fields.includes(field)) ? '' : problemText(error.value)
  })

  async function submit(event: Event): Promise<void> {
    const form = event.currentTarget as HTMLElement
    if (isBusy.value) return
    isBusy.value = true
    error.value = null
    try {
      await send()
    } catch (refusal) {
      error.value = refusal
      await nextTick()
      form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
    } finally {
      isBusy.value = false
    }
  }

  return { isBusy, messages, problem, submit }
}
