# 12-chinese: the messages in Chinese, under their English formats.

# translate FORMAT: TRANSLATED becomes the format in the reader's language
translate() {
	TRANSLATED=$1
}
