"""The tabs of the studio's page, one file each, built with Gradio.

Only handlers that compute for long use Gradio's queue. Its page can lose the answer to one of two requests that it
sends within a fraction of a second, as it closes the queue's connection after the first; other answers come with their
request.
"""
