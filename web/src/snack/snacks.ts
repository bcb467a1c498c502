import { api, dataOf } from '../api/client'
import { patchRow, queryClient } from '../api/query'
import type { Snack } from '../api/types'

export const SNACKS = ['snacks']
export const SNACK = ['snack']
export const snackKey = (uid: string) => [...SNACK, uid]

/** Snacks that can be ordered now, all, those in an open order, and those that are unavailable. */
export const SNACK_STATUSES = ['orderable', 'all', 'requested', 'unavailable'] as const
export type SnackStatusFilter = (typeof SNACK_STATUSES)[number]

/** A status filter as parameters of the API. */
export const STATUS_PARAMS = {
  orderable: { orderable: true },
  all: { status: 'all' },
  requested: { status: 'available', orderable: false },
  unavailable: { status: 'unavailable' },
} as const

const MATCHES: Record<SnackStatusFilter, (snack: Snack) => boolean> = {
  orderable: (snack) => snack.orderable,
  all: () => true,
  requested: (snack) => snack.blocked_reason === 'already_requested',
  unavailable: (snack) => snack.status === 'unavailable',
}

/** The filters of a list that a snack can be checked against. */
export interface SnackFilters {
  status: SnackStatusFilter
}

export function fetchSnack(uid: string): Promise<Snack> {
  return dataOf(api.GET('/snacks/{uid}', { params: { path: { uid } } }))
}

/** The form of a name that the server compares, for usual characters. */
function comparable(name: string): string {
  return name.normalize('NFC').trim().replaceAll(/\s+/g, ' ').toLowerCase()
}

/** The snack with a name, whatever its status. */
export async function findByName(name: string): Promise<Snack | undefined> {
  const query = { search: name, status: 'all', limit: 100 } as const
  const { results } = await dataOf(api.GET('/snacks', { params: { query } }))
  return results.find((snack) => comparable(snack.name) === comparable(name))
}

/** Changes a snack where it is shown, also in lists whose filters it matches no longer. */
export function updateSnack(uid: string, change: (snack: Snack) => Snack): void {
  queryClient.setQueryData<Snack>(snackKey(uid), (snack) => snack && change(snack))
  patchRow<Snack>(SNACKS, uid, change)
}

/** Changes a snack in every view that shows it. */
export function patchSnack(uid: string, change: (snack: Snack) => Snack): void {
  queryClient.setQueryData<Snack>(snackKey(uid), (snack) => snack && change(snack))
  patchRow<Snack, SnackFilters>(SNACKS, uid, change, (shown, { status }) => MATCHES[status](shown))
}

/** The snacks may have changed in other ways than by `patchSnack`. */
export function invalidateSnacks(): void {
  void queryClient.invalidateQueries({ queryKey: SNACKS })
  void queryClient.invalidateQueries({ queryKey: SNACK })
}

/** Updates a snack in every view that shows it. */
export function showSnack(snack: Snack): void {
  patchSnack(snack.uid, () => snack)
}

export async function changeAvailability(uid: string, isAvailable: boolean): Promise<void> {
  const status = isAvailable ? 'available' : 'unavailable'
  showSnack(await dataOf(api.PUT('/snacks/{uid}/status', { params: { path: { uid } }, body: { status } })))
  // The snack may now belong to another list.
  void queryClient.invalidateQueries({ queryKey: SNACKS })
}

export interface SnackInput {
  name: string
  price: string
  currency: Snack['currency']
  url: string
  desc: string
  /** A new picture; null removes the present one; undefined keeps it. */
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

/** JSON, or a multipart form if there is a picture to upload. */
function bodyOf({ image, ...fields }: SnackInput) {
  // The types of openapi-fetch do not distinguish null from undefined.
  if (!(image instanceof File)) return { body: image === null ? ({ ...fields, image } as typeof fields) : fields }
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('image', image)
  return { body: fields, bodySerializer: () => form }
}
