import { computed, ref, shallowRef, watch } from 'vue'

import { Problem } from '../api/problem'
import type { Snack } from '../api/types'
import { t } from '../i18n'
import { useToasts } from '../ui/toasts'
import { useDraft } from '../ui/useDraft'
import { useForm } from '../ui/useForm'
import { readPrice } from '../money'
import { findLink } from './link'
import { editSnack, findByName, registerSnack } from './snacks'

/** The limit of the API. All other rules for pictures are checked by the server alone. */
const MAX_PICTURE_BYTES = 5 * 1024 * 1024

/** The form that registers a snack, or edits `snack`. */
export function useSnackForm(snack: Snack | null, onSaved: (saved: Snack) => void) {
  const toasts = useToasts()
  const fields = ref({
    name: snack?.name ?? '',
    price: snack?.price ?? '',
    currency: snack?.currency ?? ('KRW' as const),
    url: snack?.url ?? '',
    desc: snack?.desc ?? '',
  })
  const draft = useDraft(`snack:${snack?.uid ?? ''}`, fields)
  /** A new picture; null removes the present one; undefined keeps it. */
  const image = ref<File | null>()
  /** The snack that has the name already. */
  const namesake = shallowRef<Snack>()

  const isChanged = computed(() => draft.isChanged.value || image.value !== undefined)

  /** `1,500원` becomes `1500` and the currency KRW. Other texts stay, and the server rejects them. */
  function normalizePrice(): void {
    const read = readPrice(fields.value.price)
    if (!read) return
    fields.value.price = read.amount
    fields.value.currency = read.currency ?? fields.value.currency
  }

  function normalizeUrl(): void {
    fields.value.url = findLink(fields.value.url) ?? fields.value.url
  }

  async function send(): Promise<void> {
    normalizePrice()
    normalizeUrl()
    const sent = { ...fields.value, image: image.value }
    namesake.value = undefined
    try {
      const saved = await (snack ? editSnack(snack.uid, sent) : registerSnack(sent))
      draft.finish()
      toasts.success(t(snack ? 'snack.edited' : 'snack.registered', { name: saved.name }))
      onSaved(saved)
    } catch (error) {
      if (error instanceof Problem && error.code === 'snack_name_taken') {
        // The message alone is enough if it cannot be found.
        namesake.value = await findByName(sent.name).catch(() => undefined)
      }
      // The server calls an empty price an invalid amount.
      const isMissing = error instanceof Problem && sent.price.trim() === ''
      throw isMissing ? error.withMessage('price', t('field.required')) : error
    }
  }

  const form = useForm({
    fields: ['name', 'price', 'currency', 'url', 'desc', 'image'],
    fieldOfCode: { snack_name_taken: 'name', payload_too_large: 'image', unsupported_media_type: 'image' },
    validate: (): Record<string, string> =>
      (image.value?.size ?? 0) > MAX_PICTURE_BYTES ? { image: t('picture.tooLarge') } : {},
    send,
  })
  watch(image, () => form.clearMessage('image'))

  return { ...form, fields, image, namesake, isChanged, discard: draft.finish, normalizePrice, normalizeUrl }
}
