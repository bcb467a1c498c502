// The messages of the pages for guests: sign-up and forgotten passwords.
import { addMessages } from '../i18n'
import en from '../i18n/joining.en.json'
import ko from '../i18n/joining.ko.json'

addMessages({ ko, en })
