"""What went wrong, in the words of the page's language.

Errors are written once, in English, where they arise. Here are patterns of those that a page can meet, with
the page's words for each in both languages; the hints that they carry speak of commands and are left out. A
test walks through the sources and finds those that are missing here.
"""

import re
from collections.abc import Sequence

from impasto.errors import ImpastoError

Words = tuple[str, str, str]
"""A pattern that all of a text matches, and the words in English and Chinese; `{name}` is a group of it."""

# What is wrong with one picture. Before it stands its name.
REASONS: Sequence[Words] = (
    (r"is empty", "is empty", "是空文件"),
    (r"is not a picture Impasto can read", "is not a picture that Impasto can read", "不是可读取的图片"),
    (r"(is truncated|cannot be decoded|is damaged)\b.*", "is damaged; export it again", "已损坏，请重新导出"),
    (r"is larger than (?P<most>[\d.e+]+) MB", "is larger than {most} MB", "超过 {most} MB"),
    (
        r"is HEIC with a codec.*",
        "is HEIC of a kind that cannot be read; save it as JPEG or PNG",
        "是无法读取的 HEIC 格式，请另存为 JPEG 或 PNG",
    ),
    (
        r"is (?P<format>[A-Z0-9]+|[A-Z][A-Za-z0-9 ]+)(; save it as PNG first)?",
        "is {format}; save it as PNG first",
        "是 {format} 格式，请先另存为 PNG",
    ),
    (
        r"is too large: (?P<width>\d+) x (?P<height>\d+) = .*the limit is (?P<most>[\d.e+]+)",
        "is too large: {width} × {height} px; at most {most} megapixels",
        "尺寸过大：{width} × {height} px，上限为 {most} 百万像素",
    ),
    (
        r"is too large: its (?P<frames>\d+) frames have .*",
        "is too large: it has {frames} frames",
        "过大：共有 {frames} 帧",
    ),
    (r"has (?P<size>[\d,]+ x [\d,]+) pixels", "is too large: {size} px", "尺寸过大：{size} px"),
    (
        r"is too small: (?P<size>\d+ x \d+) px, at least (?P<least>\d+) are needed",
        "is too small: {size} px; at least {least} px are needed",
        "尺寸过小：{size} px，至少需要 {least} px",
    ),
    (r"needs more memory than there is", "needs more memory than there is", "所需内存超过可用内存"),
    (
        r"holds (complex numbers|numbers that are not finite)",
        "holds numbers that are not colours",
        "含有无法作为颜色的数值",
    ),
    (
        r"is no film that can be read: .*",
        "is damaged, or no film that can be read",
        "已损坏，或不是可读取的视频",
    ),
    (r"has sound and no pictures", "has sound and no pictures", "只有声音，没有画面"),
    (
        r"has no picture that can be read: .* more than (?P<most>[\d.e+]+) megapixels",
        "has no pictures that can be read, or they have more than {most} megapixels",
        "没有可读取的画面，或单帧超过 {most} 百万像素",
    ),
    (
        r"has (no pictures?( that can be read)?|pictures of a kind that cannot be read)",
        "has no pictures that can be read",
        "没有可读取的画面",
    ),
    (
        r"(does not exist|is a folder|is not a regular file|cannot be opened\b.*)",
        "cannot be opened; upload it again",
        "无法打开，请重新上传",
    ),
)

MESSAGES: Sequence[Words] = (
    # Models
    (
        r"there is no (model that makes pictures|upscaler|model) '(?P<name>.*)'",
        "There is no model “{name}” any more; choose another",
        "模型“{name}”已不存在，请选择其他模型",
    ),
    (
        r"'.*?' does not hold the pictures that this model was trained on",
        "The pictures that this model was trained on have been changed since",
        "该模型的训练图片已被更改",
    ),
    (
        r"the recipe is of another model: .*",
        "This picture was made by an earlier state of the model; choose a new picture",
        "这张图片由该模型的早期状态生成，请重新选择图片",
    ),
    (
        r"'.*?' (cannot be read: .*|is damaged: .*|was changed: .*|is not valid JSON: .*"
        r"|does not describe a model: .*|holds the weights of another network: .*"
        r"|was not written by Impasto|holds no model"
        r"|is not a model: .*|is not a training state of Impasto)",
        "The model's file is damaged or incomplete; export or train it again",
        "模型文件已损坏或不完整，请重新导出或训练",
    ),
    (
        r"'.*' is of format version (?P<version>.*)",
        "The model is of format version {version}: update Impasto, or train it again",
        "模型的格式版本为 {version}：请更新 Impasto 或重新训练",
    ),
    (
        r"'.*' (.*, not new ones|.* and does not enlarge any|.* and translates none|does not enlarge pictures"
        r"|takes \d+ channels: .*|cannot be used: .*)",
        "This model cannot be used here; choose another",
        "此处不能使用该模型，请选择其他模型",
    ),
    (
        r"(the engine '(?P<name>.*)' is not installed|there is no engine '.*')",
        "This engine is not installed; choose Automatic",
        "该引擎未安装，请选择“自动”",
    ),
    (
        r"the engine '.*' (fails here: .*|makes other pictures than PyTorch here)",
        "This engine does not work on this computer; choose Automatic",
        "该引擎在这台计算机上无法正常工作，请选择“自动”",
    ),
    (
        r"models of the community need the package spandrel",
        "Models of the community need the package spandrel",
        "社区模型需要安装 spandrel",
    ),
    # Pictures that are asked for
    (
        r"this model's pictures are grey",
        "This model makes grey pictures: it takes no colours",
        "该模型只生成灰度图片，不能指定颜色",
    ),
    (
        r"no picture that this model learnt from is all of: (?P<themes>.*)",
        "No picture that this model learned from has all of these themes: {themes}. Choose fewer",
        "训练图片中没有同时属于这些主题的：{themes}。请减少主题",
    ),
    (r"there is no theme '(?P<name>.*)'", "This model has no theme “{name}”", "该模型没有主题“{name}”"),
    (r"this model cannot be asked for themes", "This model has no themes", "该模型没有主题"),
    (
        r"there is no direction '(?P<name>.*)'",
        "This model has no adjustment “{name}”",
        "该模型没有“{name}”这项调节",
    ),
    (
        r"(seed|truncation|spread|\w+=)? ?(?P<value>\S+)( frames| variations)? (is|are) out of range",
        "{value} is out of range",
        "{value} 超出范围",
    ),
    (
        r"'.*' is not a recipe of Impasto: .*|the request's recipe holds several|the recipe's latent .*",
        "The picture's recipe cannot be read",
        "无法读取图片的生成参数",
    ),
    (
        r"nothing can be mixed from .*|a picture with the colours of another is no point to start from",
        "This picture is a mixture already; choose one of the two that it was mixed from",
        "这张图片已经是混合结果，请选择混合之前的图片",
    ),
    (r"'.*' is not a colour", "This is not a colour", "这不是有效的颜色"),
    (
        r"\d+ colours are more than the (?P<most>\d+) that can be asked for",
        "At most {most} colours can be asked for",
        "最多只能指定 {most} 种颜色",
    ),
    (
        r"colours and the colours of a picture exclude each other",
        "Choose colours or a photo",
        "颜色和照片只能选一种",
    ),
    # Enlarging
    (
        r"(?P<size>[\d,]+ x [\d,]+) pixels are too many( to send back)?",
        "would become {size} px, which is too large; choose a smaller scale",
        "放大后为 {size} px，超过上限，请选择更小的倍数",
    ),
    (
        r"a (?P<format>\w+) can be (?P<most>[\d,]+) px long, and this would have (?P<longest>[\d,]+)",
        "would have {longest} px, and a {format} file can have {most}; choose PNG",
        "放大后边长 {longest} px，{format} 最多 {most} px，请选择 PNG",
    ),
    (r"a picture of .* px has nothing to enlarge", "is too small to enlarge", "太小，无法放大"),
    (
        r"tiles of \d+ px are too small for this model|'.*' cannot be written"
        r"|pictures cannot be written as '.*'",
        "cannot be saved in this format; choose PNG",
        "无法保存为该格式，请选择 PNG",
    ),
    # Films
    (
        r"frames of (?P<size>[\d,]+ x [\d,]+) pixels are too many"
        r"|a film of (?P<px>[\d,]+ x [\d,]+) px cannot be encoded as .*",
        "its frames would have {size}{px} px, which is too large; choose a smaller scale",
        "放大后每帧为 {size}{px} px，超过上限，请选择更小的倍数",
    ),
    (
        r"the film has (more than )?(?P<frames>[\d,]+) frames|the film's header claims too many frames",
        "is too long; the command `impasto upscale` has no such limit",
        "视频过长；命令 `impasto upscale` 没有这一限制",
    ),
    (
        r"the (enlarged )?film is larger than (?P<most>[\d.e+]+) MB",
        "is larger than {most} MB",
        "超过 {most} MB",
    ),
    (
        r"other films are in work already",
        "other films are in work; try again when one is done",
        "其他视频正在处理，请稍后再试",
    ),
    (
        r"(films need|MP4 needs) the package PyAV",
        "Films need the package PyAV: pip install 'impasto[video]'",
        "处理视频需要 PyAV：pip install 'impasto[video]'",
    ),
    (
        r"a film that ends in .* cannot hold the sound of .*",
        "neither MP4 nor MKV can hold its sound; convert it to AAC first",
        "MP4 和 MKV 都无法容纳其声音，请先将声音转换为 AAC",
    ),
    (
        r"a film that ends in .* cannot be .*|there is no codec '.*'"
        r"|the encoder .* takes no usual pictures|--crf .* is out of range",
        "cannot be saved as such a film",
        "无法保存为这种视频",
    ),
    (
        r"MP4 cannot hold its sound: the preview has none, and the whole film becomes MKV",
        "MP4 cannot hold its sound: this preview has none, and the whole film becomes MKV, to be downloaded.",
        "MP4 无法容纳其声音：预览没有声音，完整视频将保存为 MKV，仅供下载。",
    ),
    (
        r"MP4 cannot hold its sound: it is an MKV file, which browsers do not play",
        "MP4 cannot hold its sound: it is an MKV file, which browsers do not play.",
        "MP4 无法容纳其声音，因此保存为 MKV，浏览器无法播放。",
    ),
    (
        r"it has more than 8 bits, and browsers play 8: it gets 8",
        "It has more than 8 bits a colour, and browsers play 8: it gets 8.",
        "原视频超过 8 位，浏览器只能播放 8 位，因此转为 8 位。",
    ),
    (
        r"its fields are put together: it was interlaced",
        "It was interlaced: its fields are put together.",
        "原视频为隔行扫描，已合成为完整画面。",
    ),
    (r"its transparency is not kept", "Its transparency is not kept.", "透明度未保留。"),
    (r"its subtitles are not kept", "Its subtitles are not kept.", "字幕未保留。"),
    (
        r"its (cover pictures|attached files|other data) are not kept",
        "Some other data in it are not kept.",
        "部分附加数据未保留。",
    ),
    (
        r"it is damaged: (?P<count>[\d,]+) of its packets could not be read",
        "It is damaged: {count} of its packets could not be read.",
        "视频已损坏：{count} 个数据包无法读取。",
    ),
    (
        r"its sound is damaged: (?P<count>[\d,]+) packets are left out",
        "Its sound is damaged: {count} packets are left out.",
        "声音已损坏：跳过了 {count} 个数据包。",
    ),
    # The queue
    (
        r"\d+ (pieces of work.*|of your requests) are waiting already",
        "The studio is busy; try again in a moment",
        "服务器繁忙，请稍后再试",
    ),
    (
        r"nobody waits for this any more|this takes longer than .* s|it took longer than .*",
        "This took too long and was ended; try again or ask for less",
        "用时过长，已终止；请重试或减少数量",
    ),
    (r"the studio is closing", "The studio is closing", "服务器正在关闭"),
    (
        r"(the disk is full|.*No space left on device.*)",
        "The disk is full; remove something",
        "磁盘已满，请清理空间",
    ),
    (
        r"the picture has (?P<frames>[\d,]+) frames",
        "The picture has too many frames: {frames}",
        "图片帧数过多：{frames} 帧",
    ),
    # Uploads
    (
        r"there is no picture in it that can be used",
        "There is no picture in it that can be used",
        "其中没有可用的图片",
    ),
    (
        r"there is no picture in it that can be used: '(?P<name>.*?)' (?P<reason>.*)",
        "There is no picture in it that can be used: {name} {reason}",
        "其中没有可用的图片：{name} {reason}",
    ),
    (
        r"there are more than (?P<most>[\d,]+) pictures",
        "There are more than {most} pictures",
        "图片超过 {most} 张",
    ),
    (
        r"the zip (is too large when unpacked|holds too many files|holds (?P<count>[\d,]+) files)",
        "The zip holds too much; upload it in parts",
        "zip 内容过多，请分批上传",
    ),
    (r"the zip cannot be read: .*", "The zip is damaged; make it again", "zip 已损坏，请重新压缩"),
    (
        r"the zip is encrypted",
        "The zip has a password; make it without one",
        "zip 带有密码，请取消密码后重新压缩",
    ),
    (
        r"the zip (is compressed in a rare way|holds a symbolic link|holds a device or a pipe"
        r"|holds a name that points out of its folder)",
        "The zip holds something that is not allowed; zip the pictures alone",
        "zip 中含有不允许的内容，请只压缩图片",
    ),
    # Data and trainings
    (
        r"there is no (folder|uploaded data set) '(?P<name>.*?)'( in the workspace)?",
        "There is no folder “{name}” any more; choose another",
        "文件夹“{name}”已不存在，请选择其他文件夹",
    ),
    (
        r"the folder has (?P<count>\d+) different pictures, and at least (?P<least>\d+) are needed",
        "At least {least} pictures are needed; you have {count}",
        "至少需要 {least} 张图片，现在只有 {count} 张",
    ),
    (
        r"only (?P<count>\d+) pictures can be held out, and (?P<least>\d+) are needed: most are duplicates",
        "Most pictures are copies of each other; add different ones",
        "大多数图片互相重复，请添加不同的图片",
    ),
    (r"there are no pictures in '.*'", "There is no picture in this folder", "这个文件夹里没有图片"),
    (
        r"none of the \d+ pictures in '.*' can be used: '(?P<name>.*?)' (?P<reason>.*)",
        "No picture of this folder can be used: {name} {reason}",
        "文件夹中没有可用的图片：{name} {reason}",
    ),
    (
        r"none of the pictures in '.*' can be used: '(?P<name>.*?)' (?P<reason>.*)",
        "No picture of this folder can be used: {name} {reason}",
        "文件夹中没有可用的图片：{name} {reason}",
    ),
    (r"the folder '.*' cannot be opened: .*|'.*' is a file", "The folder cannot be opened", "无法打开文件夹"),
    (
        r"the cache folder '.*' cannot be written: .*",
        "The cache folder cannot be written",
        "无法写入缓存文件夹",
    ),
    (
        r"'.*' is in training already(, and shares the machine with no other)?",
        "Another training is running; stop it first",
        "另一个训练正在进行，请先停止它",
    ),
    (r"the job '.*' is running already", "This training is running already", "该训练已在进行"),
    (r"the job '.*' is not running", "This training is not running", "该训练没有在进行"),
    (r"the job '.*' is running", "This training is running; stop it first", "该训练正在进行，请先停止"),
    (
        r"there is no job '.*'",
        "There is no such training any more; choose another",
        "该训练已不存在，请选择其他训练",
    ),
    (r"another process is training in '.*'", "Another process is training there", "另一个进程正在那里训练"),
    (
        r"training diverged after [\d,]+ images: .*|.*losses or the weights are no longer finite.*",
        "The training diverged; start again with another preset",
        "训练已发散，请换一个预设重新开始",
    ),
    (
        r"the pictures are not those that this run was trained on",
        "The pictures have changed since this training began; start a new one",
        "图片已改变，无法继续该训练，请重新开始",
    ),
    (
        r"model\.kind=projected is version 0\.1's, .*",
        "Models of version 0.1 cannot be trained further; start a new training",
        "0.1 版的模型无法继续训练，请重新开始训练",
    ),
    (
        r"'.*' has other networks than this run|a run keeps its settings: .*|this run has preset .*"
        r"|'.*' already holds a run",
        "The training's settings have changed; start a new one",
        "训练设置已改变，请重新开始",
    ),
    (
        r"'.*' is a link that leads out of the workspace|the run holds a link, '.*'",
        "The folder holds a link; remove it",
        "文件夹中含有链接，请先删除",
    ),
    (
        r"an older version began it, and it was never saved",
        "An older version began this training and never saved it; start it again",
        "该训练由旧版本创建且从未保存，请重新开始",
    ),
    (
        r"its (job\.json|\d) .*",
        "The training's record is damaged; start it again",
        "训练记录已损坏，请重新开始",
    ),
    (
        r"pictures of (?P<size>\d+ x \d+) px cannot be (made|drawn)\b.*|.* is no size of pictures",
        "Pictures cannot have this size; choose one of the list",
        "无法使用该尺寸，请从列表中选择",
    ),
    (
        r"model\.kind=(?P<kind>\w+) draws squares alone: .*",
        "These networks draw squares alone; choose the preset default or few-shot",
        "该网络只能绘制方形图片，请选择预设 default 或 few-shot",
    ),
    (r"(minutes|images): .*", "A limit of the training is out of range", "训练限制超出范围"),
    (
        r"the samples '.*' cannot be read",
        "The samples cannot be read; the next ones come soon",
        "无法读取样图，请等待下一批",
    ),
    (r"stopped before it had begun", "Stopped before it had begun", "在开始之前已停止"),
    (
        r"it ended without a word: killed, or a power cut",
        "It was ended from outside or the computer was switched off; Resume goes on from the last save",
        "训练被外部终止或断电；点击“继续”可从上次保存处恢复",
    ),
    (r"(interrupted|KeyboardInterrupt)", "Stopped", "已停止"),
    (
        r"MemoryError.*|.*does not fit into this machine's memory|.*out of memory.*|OSError: \[Errno 12\].*",
        "There is not enough memory; choose a smaller size",
        "内存不足，请选择更小的尺寸",
    ),
)

# What `impasto inspect` advises, without the settings of the command line.
ADVICE: Sequence[Words] = (
    (
        r"Training would refuse this folder: (?P<reason>.*?)(; .*)?",
        "Training cannot start: {reason}.",
        "无法开始训练：{reason}。",
    ),
    (
        r"(?P<count>[\d,]+) pictures? cannot be used and will be left out\.",
        "{count} pictures cannot be used and will be left out.",
        "{count} 张图片无法使用，将被忽略。",
    ),
    (
        r"(?P<count>[\d,]+) pictures? are very few: .* Find (?P<least>\d+) at least\.",
        "{count} pictures are very few: the model can only copy them. Find at least {least}.",
        "只有 {count} 张图片，模型只能照搬；请至少准备 {least} 张。",
    ),
    (
        r"(?P<count>[\d,]+) pictures are few: .*",
        "{count} pictures are few: expect results close to yours, and stop when the model starts copying your"
        " pictures.",
        "{count} 张图片偏少：结果会接近原图；模型开始照搬图片时请停止训练。",
    ),
    (
        r"The pictures differ much for so few: .*",
        "The pictures differ much for so few: keep to one subject or style, or add many more.",
        "图片少而差异大：请集中于一种题材或风格，或添加更多图片。",
    ),
    (
        r"(?P<count>[\d,]+) pictures? are copies of others; .*",
        "{count} pictures are copies of others; remove them.",
        "{count} 张图片与其他图片重复，建议删除。",
    ),
    (
        r"(?P<share>[\d.]+%) of the pictures are far from square and lose their ends: .*",
        "{share} of the pictures are far from square and will be cropped at their ends.",
        "{share} 的图片远非方形，两端会被裁掉。",
    ),
    (
        r"(?P<share>[\d.]+%) of the pictures are far from (?P<size>\d+x\d+) and lose their ends: .*",
        "{share} of the pictures are far from {size} px and will be cropped at their ends.",
        "{share} 的图片与 {size} px 的形状相差很大，两端会被裁掉。",
    ),
    (
        r"Most of your pictures \((?P<share>[\d.]+%)\) are about (?P<shape>\d+:\d+): --size "
        r"(?P<size>\d+(x\d+)?) keeps their ends\.",
        "Most of your pictures ({share}) are about {shape}: the size {size} keeps their ends.",
        "大多数图片（{share}）约为 {shape}：选择 {size} 可保留两端。",
    ),
    (
        r"(?P<count>[\d,]+) pictures? are smaller than (?P<size>\d+(x\d+)?) px and will look soft: .*",
        "{count} pictures are smaller than {size} px and will look soft: choose a smaller size.",
        "{count} 张图片小于 {size} px，会显得模糊：请选择更小的尺寸。",
    ),
    (
        r"The pictures are very dark \(mean brightness (?P<light>[\d.]+%)\): .*",
        "The pictures are very dark (mean brightness {light}): brighten them if that is not intended.",
        "图片很暗（平均亮度 {light}）：如非本意，请先调亮。",
    ),
    (
        r"Rare themes: (?P<themes>.*)\. Find more pictures of them, .*",
        "Rare themes: {themes}. Add pictures of them, or join them with others.",
        "图片很少的主题：{themes}。请为它们添加图片，或与其他主题合并。",
    ),
    (
        r"(?P<count>[\d,]+) pictures? of (?P<all>[\d,]+) have no theme: .*",
        "{count} of {all} pictures have no theme.",
        "{all} 张图片中有 {count} 张没有主题。",
    ),
    (
        r"'(?P<theme>.*)' holds (?P<share>[\d.]+%) of the pictures and will dominate\.",
        "Theme “{theme}” holds {share} of the pictures and will dominate.",
        "主题“{theme}”占全部图片的 {share}，会占主导。",
    ),
    (
        r"Nothing stands in the way of training\.",
        "Nothing stands in the way of training.",
        "可以开始训练。",
    ),
    # Why a preset is suggested
    (
        r"(?P<count>[\d,]+) pictures?; fewer than (?P<some>[\d,]+) are also shown mirrored and moved",
        "{count} pictures; fewer than {some} are also shown mirrored and moved",
        "{count} 张图片；少于 {some} 张时会同时使用镜像和平移",
    ),
    (
        r"(?P<count>[\d,]+) pictures, enough to learn from as they are",
        "{count} pictures, enough to learn from as they are",
        "{count} 张图片，数量足够",
    ),
)

# What health says is wrong, by its kind: a name, and what to do. English has the figures as they come.
VERDICTS: dict[str, tuple[str, str]] = {
    "collapse": ("模式崩溃", "生成的样图彼此过于相似。请回到较早的模型，或换一个预设、更多图片重新训练。"),
    "shape": (
        "形状单一",
        "生成的样图形状几乎相同，只是颜色不同。若只是提示，请先等待后续评估；否则请从最佳模型继续训练，并降低学习率。",
    ),
    "colour": (
        "颜色单一",
        "生成的样图颜色几乎相同。若只是提示，请先等待后续评估；否则请从最佳模型继续训练，并减少颜色增强。",
    ),
    "theme": (
        "主题单一",
        "生成的样图几乎都像同一个主题。若只是提示，请先等待后续评估；否则请从最佳模型继续训练，并均衡各主题的图片。",
    ),
    "worse": (
        "质量下降",
        "最近几次评估都比最佳模型差。最佳模型已保留；请从它继续训练，并降低学习率或加强增强。",
    ),
    "coverage": ("覆盖过少", "样图只接近很少的真实图片。训练初期请继续等待；之后请降低学习率或换用预设。"),
    "divergence": ("发散", "损失或权重失控。请换一个预设重新开始。"),
    "vanishing": ("梯度消失", "判别器过强，生成器几乎学不到东西。请换一个预设。"),
    "overfitting": ("过拟合", "判别器开始记住训练图片。请添加更多图片，或现在停止。"),
    "redrawing": (
        "重画训练图片",
        "许多样图只是把你的某张图片重画了一遍，并不是新作品。请添加更多图片，或使用更早的模型。",
    ),
    "memorisation": ("照搬图片", "模型开始照搬你的图片。请添加更多图片，或更早停止。"),
    "oscillation": ("震荡", "样图来回变化，没有进步。可以继续等待，或换一个预设。"),
    "useless": ("没有效果", "放大效果不如普通插值。请重新训练。"),
}
SEVERITIES = {"notice": "提示", "trouble": "严重"}
_END = {"en": ".", "zh": "。"}
_UNKNOWN = "操作无法完成。详细信息（英文）：{text}"


def explain(error: ImpastoError, language: str) -> str:
    """What went wrong, and what to do, as one or two sentences of the page."""
    known = _in_words(error.message, MESSAGES, language)
    if known is None:
        name, reason = _split_name(error.message, language)
        if reason is not None:
            return f"{name} {reason}{_END[language]}"
        known = f"{error.message}. {error.hint}" if error.hint else error.message
        known = known if language == "en" else _UNKNOWN.format(text=known)
    end = "" if known.endswith((".", "。")) else _END[language]
    return f"{known[:1].upper()}{known[1:]}{end}"


def reason_in_words(message: str, language: str) -> str:
    """Why a picture or a training did not work, without an end."""
    for table in (REASONS, MESSAGES):
        known = _in_words(message, table, language)
        if known is not None:
            return known
    name, reason = _split_name(message, language)
    if reason is not None:
        return f"{name} {reason}"
    return message if language == "en" else _UNKNOWN.format(text=message)


def reason_of(message: str, name: str, language: str) -> str:
    """What is wrong with a picture of that name, without the name."""
    for before in (f"{name} ", f"'{name}' ", "the picture "):
        message = message.removeprefix(before)
    return reason_in_words(message, language)


def advice_in_words(line: str, language: str) -> str:
    """A line of `impasto inspect`'s advice, or its reason for a preset."""
    return _in_words(line, ADVICE, language) or (line if language == "en" else _UNKNOWN.format(text=line))


def _split_name(message: str, language: str) -> tuple[str, str | None]:
    """A message that is a picture's name and what is wrong with it, as both."""
    for pattern, *_ in REASONS:
        found = re.fullmatch(rf"(?P<_name>.+?) (?P<_reason>{pattern})", message, re.DOTALL)
        if found is not None:
            return found["_name"].strip("'"), _in_words(found["_reason"], REASONS, language)
    return "", None


def _in_words(text: str, table: Sequence[Words], language: str) -> str | None:
    for pattern, english, chinese in table:
        found = re.fullmatch(pattern, text, re.DOTALL)
        if found is None:
            continue
        groups = {key: value or "" for key, value in found.groupdict().items()}
        if "reason" in groups:
            groups["reason"] = reason_in_words(groups["reason"], language)
        return (english if language == "en" else chinese).format(**groups)
    return None
