// The messages of the user list, which only admins need.
import { addMessages } from '../i18n'
import en from '../i18n/users.en.json'
import ko from '../i18n/users.ko.json'

addMessages({ ko, en })
