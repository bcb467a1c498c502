// The calls about snacks.
import { api, dataOf } from '../api/client'
import { patchRow, queryClient } from '../api/query'
import type { Snack } from '../api/types'

export const SNACKS = ['snacks']
/** What a list of snacks is filtered by, as far as a snack itself tells whether it fits. */
export interface SnackFilters {
  status: Snack['status'] | 'all'
}

export const snackKey = (uid: string) => ['snack', uid]

export function fetchSnack(uid: string): Promise<Snack> {
  return dataOf(api.GET('/snacks/{uid}', { params: { path: { uid } } }))
}

/** Changes a snack wherever it is shown. */
export function patchSnack(uid: string, change: (snack: Snack) => Snack): void {
  queryClient.setQueryData<Snack>(snackKey(uid), (snack) => snack && change(snack))
  patchRow<Snack, SnackFilters>(SNACKS, uid, change, (shown, { status }) => status === 'all' || status === shown.status)
}

/** Shows a snack as it now is wherever it is shown. */
export function showSnack(snack: Snack): void {
  patchSnack(snack.uid, () => snack)
}

export async function changeAvailability(uid: string, isAvailable: boolean): Promise<void> {
  const status = isAvailable ? 'available' : 'unavailable'
  showSnack(await dataOf(api.PUT('/snacks/{uid}/status', { params: { path: { uid } }, body: { status } })))
  // It may have come into a list that is shown.
  void queryClient.invalidateQueries({ queryKey: SNACKS })
}

/** What the form sends. */
export interface SnackInput {
  name: string
  price: string
  currency: Snack['currency']
  url: string
  desc: string
  /** A new picture; null takes the old one away; undefined leaves it. */
  image?: File | null
}

export async function registerSnack(input: SnackInput): Promise<Snack> {
  const snack = await dataOf(api.POST('/snacks', bodyOf(input)))
  void queryClient.invalidateQueries({ queryKey: SNACKS })
  return snack
}

export async function editSnack(uid: string, input: SnackInput): Promise<Snack> {
  const snack = await dataOf(api.PATCH('/snacks/{uid}', { params: { path: { uid } }, ...bodyOf(input) }))
  showSnack(snack)
  return snack
}

/** JSON, or a form where there is a picture to upload. */
function bodyOf({ image, ...fields }: SnackInput) {
  // The types of openapi-fetch make no difference between null and left out.
  if (!(image instanceof File)) return { body: image === null ? ({ ...fields, image } as typeof fields) : fields }
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('image', image)
  return { body: fields, bodySerializer: () => form }
}
