"""The page's words, English beside Chinese."""

LANGUAGES = {"en": "English", "zh": "中文"}

WORDS: dict[str, tuple[str, str]] = {
    "slogan": (
        "New pictures in the style of yours.",
        "学习你的画风，生成新图。",
    ),
    "language": ("Language", "语言"),
    "no": ("That does not work", "无法完成"),
    "disk_full": (
        "The disk is full; remove something.",
        "磁盘已满，请清理空间。",
    ),
    "inside": (
        "Something went wrong inside; the server's log says what.",
        "程序内部出错，详情见服务器日志。",
    ),
    "create": ("Create", "创作"),
    "explore": ("Explore", "探索"),
    "upscale": ("Upscale", "放大"),
    "train": ("Train", "训练"),
    "learn": (
        "Learn",
        "原理演示",
    ),
    # Create
    "model": ("Model", "模型"),
    "model_info": ("Your runs and model folders", "您的训练结果和模型文件夹"),
    "unfinished": (
        "not finished",
        "未完成",
    ),
    "training": (
        "still training",
        "训练中",
    ),
    "no_models": (
        "There is no model yet that makes pictures: train one in the tab Train.",
        "还没有能生成图片的模型：请先在“训练”页训练一个。",
    ),
    "first_seed": ("First seed", "起始种子"),
    "seed_wrong": ("The seed must be a whole number from 0.", "种子必须是从 0 开始的整数。"),
    "count": ("How many", "数量"),
    "truncation": ("Daring", "大胆程度"),
    "truncation_info": (
        "Truncation: less gives typical pictures, more gives varied ones",
        "截断：小则典型，大则多变",
    ),
    "others": (
        "New pictures",
        "换一批",
    ),
    "theme": ("Theme", "主题"),
    "colours": ("Colours", "颜色"),
    "colours_from": ("Which", "颜色来源"),
    "own": ("as they come", "顺其自然"),
    "chosen_colours": ("these", "指定颜色"),
    "of_photo": ("a photo's", "取自照片"),
    "colour_count": ("How many", "几种"),
    "colour": ("Colour {number}", "颜色 {number}"),
    "photo": ("Photo whose colours they shall have", "用来取色的照片"),
    "directions": (
        "Adjust",
        "调节",
    ),
    "changes_nothing": (
        "Changes nothing in this model's pictures",
        "对该模型的图片没有作用",
    ),
    "fitting": (
        "Preparing the adjustments of this model, once",
        "正在准备该模型的调节项，仅需一次",
    ),
    "brightness": ("Brightness", "亮度"),
    "warmth": ("Warmth", "冷暖"),
    "saturation": ("Saturation", "饱和度"),
    "contrast": ("Contrast", "对比度"),
    "symmetry": ("Symmetry", "对称"),
    "pictures": (
        "Pictures: choose one",
        "图片：点选一张",
    ),
    "back": (
        "← Back to the pictures before",
        "← 返回之前的图片",
    ),
    "nothing_shown": (
        "There are no pictures to save yet.",
        "还没有可保存的图片。",
    ),
    "save_sheet": (
        "Save as one sheet",
        "保存为拼图",
    ),
    "save_all": (
        "Save all (zip)",
        "全部保存（zip）",
    ),
    "chosen": (
        "Chosen",
        "选中的图片",
    ),
    "spread": (
        "Variation strength",
        "变体幅度",
    ),
    "neighbours": (
        "Make variations",
        "生成变体",
    ),
    "start": (
        "Original",
        "原图",
    ),
    "save": ("Save PNG", "保存 PNG"),
    "nearest": ("Nearest of yours", "与训练图片对比"),
    "nearest_label": ("Nearest training pictures", "最相近的训练图片"),
    "nearest_layout": ("by layout", "构图最相近"),
    "nearest_content": ("by content", "内容最相近"),
    "nearest_busy": ("Comparing with your training pictures", "正在与训练图片对比"),
    "nearest_hint": (
        "If one of them looks like the chosen picture drawn again, the chosen picture is not new.",
        "如果其中一张看起来就是选中图片的原图，那么选中的图片并不是新图。",
    ),
    "nearest_elsewhere": (
        "{model} was not trained in this studio, so its training pictures are not here.",
        "{model} 不是在此工作室训练的，因此这里没有它的训练图片。",
    ),
    "enlarging": (
        "Enlarging",
        "正在放大",
    ),
    "save_larger": (
        "Save ×4",
        "放大 4 倍保存",
    ),
    "send": (
        "Send to Upscale",
        "发送到放大",
    ),
    "recipe": (
        "Recipe",
        "生成参数",
    ),
    "keep": (
        "Add to favourites",
        "收藏",
    ),
    # Explore
    "map": (
        "Map: choose one",
        "地图：点选一张",
    ),
    "map_text": (
        "All pictures of Create's model lie on a plane without end: whole points are seeds, and from one to the next"
        " one turns into the other. What is chosen becomes the middle.",
        "“创作”所选模型的图画铺成一个没有边界的平面：整数点是种子，相邻种子之间逐渐变化。点选的图画会移到中间。",
    ),
    "left": ("Left", "左"),
    "up": ("Up", "上"),
    "down": ("Down", "下"),
    "right": ("Right", "右"),
    "closer": ("Closer", "靠近"),
    "farther": ("Farther", "远离"),
    "keep_it": (
        "Add to favourites",
        "收藏",
    ),
    "explore_text": (
        "Your favourites from Create and from the map; the browser keeps them. A **film** goes from one to the next, and every picture in it is one the model can make. A **mixture** has the shape of one and the style of another.",
        "在“创作”和地图中收藏的图片，保存在浏览器里。**渐变动画**从一张变到下一张，途中每一张都由模型生成。**混合**取一张的形状和另一张的风格。",
    ),
    "kept": (
        "Favourites",
        "收藏",
    ),
    "kept_now": (
        "Added: {count} favourites",
        "已收藏，共 {count} 张",
    ),
    "too_many_kept": (
        "There is room for {most} favourites; remove one first.",
        "最多收藏 {most} 张，请先移除一张。",
    ),
    "kept_lost": (
        "{count} favourites cannot be shown: their model has been trained further or is gone.",
        "{count} 张收藏无法显示：所属模型已继续训练或已不存在。",
    ),
    "kept_already": (
        "This picture is a favourite already.",
        "这张图片已在收藏中。",
    ),
    "clear": (
        "Clear all",
        "全部清除",
    ),
    "undo": (
        "Undo",
        "撤销",
    ),
    "remove": (
        "Remove",
        "移除",
    ),
    "frames": ("Frames, 24 a second", "帧数（每秒 24 帧）"),
    "loop": (
        "Loop",
        "循环播放",
    ),
    "go": (
        "Make film",
        "生成渐变动画",
    ),
    "structure": (
        "Shape from",
        "形状取自",
    ),
    "detail": (
        "Style from",
        "风格取自",
    ),
    "with_colours": (
        "Use its colours too",
        "同时使用其颜色",
    ),
    "mix": ("Mix", "混合"),
    "seen": (
        "Film or mixture",
        "渐变动画或混合",
    ),
    "save_it": ("Save", "保存"),
    "no_chosen": (
        "Choose a picture first.",
        "请先点选一张图片。",
    ),
    "two_at_least": (
        "Add at least two pictures of one model to the favourites.",
        "请至少收藏同一模型的两张图片。",
    ),
    # Upscale
    "drop": (
        "Pictures or a film",
        "图片或视频",
    ),
    "upscaler": ("Upscaler", "放大模型"),
    "suited": ("auto: photo-x4, or drawing-x4 for drawings", "自动：照片用 photo-x4，图画用 drawing-x4"),
    "scale": ("Scale", "倍数"),
    "own_scale": ("the model's", "模型自带"),
    "format": ("Format", "格式"),
    "engine": ("Engine", "引擎"),
    "engine_info": ("The first use of a model tries them all", "首次使用某个模型时会逐个尝试"),
    "fastest": ("the fastest", "最快的"),
    "enlarge": (
        "Upscale",
        "放大",
    ),
    "downloads": (
        "Downloads",
        "下载结果",
    ),
    "before_after": ("Before and after", "放大前后"),
    "no_pictures": (
        "Choose pictures first.",
        "请先选择图片。",
    ),
    "too_many": (
        "At most {most} pictures at a time.",
        "一次最多 {most} 张图片。",
    ),
    "left_out": (
        "{name}: {reason}",
        "{name}：{reason}",
    ),
    "left_out_more": (
        "{count} files left out:",
        "{count} 个文件被跳过：",
    ),
    "left_out_some": (
        "{count} of {files} pictures left out:",
        "{files} 张图片中有 {count} 张被跳过：",
    ),
    "no_upscaler": (
        "Choose an upscaler first.",
        "请先选择放大模型。",
    ),
    "megapixels": (
        "{number} of {files}: {done:.1f} of {total:.1f} megapixels",
        "第 {number} / {files} 张：{done:.1f} / {total:.1f} 百万像素",
    ),
    "film_beginning": ("The beginning of the film, larger", "放大后的视频开头"),
    "film_all": ("The whole film, larger", "放大后的完整视频"),
    "film_whole": ("Enlarge the whole film", "放大整个视频"),
    "film_stop": ("Cancel", "取消"),
    "film_shown": (
        "{name}: its first {seconds} seconds, {width} × {height} px.",
        "{name}：前 {seconds} 秒，{width} × {height} px。",
    ),
    "film_minutes": (
        "All of it takes about {minutes} min.",
        "放大整个视频约需 {minutes} 分钟。",
    ),
    "film_unknown": (
        "The file does not say how long all of it is.",
        "文件没有注明视频总长，无法估计所需时间。",
    ),
    "film_too_long": (
        "All of it is too long for this page, which takes {most} seconds of this size; the command `impasto"
        " upscale` has no such limit.",
        "整个视频过长：这个尺寸在此页面上最多放大 {most} 秒；命令 `impasto upscale` 没有这一限制。",
    ),
    "film_frames": (
        "{done} of {total} frames",
        "第 {done} / {total} 帧",
    ),
    "film_done": ("{name} is done: see Downloads.", "{name} 已完成，请在“下载结果”中保存。"),
    "film_another": (
        "{name}: one film at a time",
        "{name}：一次只能放大一个视频",
    ),
    "film_gone": (
        "The film is not there any more; choose it again.",
        "视频已不存在，请重新选择。",
    ),
    # Learn
    "learn_text": (
        "A generator turns noise into points; a discriminator tells them from the real ones. Each round both"
        " take one step. **Blue** points are real, **orange** ones generated; the ground is lighter where the"
        " discriminator finds a point more real. Change the loss or a learning rate while it plays.",
        "生成器把噪声变成点，判别器区分真点与假点，每一轮双方各走一步。**蓝色**是真实的点，**橙色**是生成的点；"
        "背景越亮，判别器越认为那里是真的。可以在进行中更改损失或学习率。",
    ),
    "loss": ("Loss", "损失"),
    "textbook": (
        "Textbook (non-saturating)",
        "标准（非饱和）",
    ),
    "minimax": ("Minimax", "极小极大"),
    "wasserstein-gp": ("WGAN-GP", "WGAN-GP"),
    "relativistic": ("Relativistic, no penalty", "相对论式，无惩罚"),
    "relativistic-r1-r2": ("Relativistic + R1 + R2", "相对论式 + R1 + R2"),
    "shape": ("Real points", "真实的点"),
    "ring": ("Ring of eight", "八点圆环"),
    "grid": ("Grid of nine", "九点网格"),
    "pair": ("Two", "两点"),
    "g_rate": ("Generator's learning rate, 10^", "生成器学习率，10^"),
    "d_rate": ("Discriminator's learning rate, 10^", "判别器学习率，10^"),
    "play": ("Play", "开始"),
    "pause": ("Pause", "暂停"),
    "anew": ("Begin anew", "重新开始"),
    "plane": (
        "Round {step}. The discriminator puts {accuracy:.0%} of pairs in order; {found} of {clumps} clumps are found.",
        "第 {step} 轮。判别器正确排序 {accuracy:.0%} 的点对；找到 {clumps} 团中的 {found} 团。",
    ),
    "plane_before": (
        "Before the first round: the generator has learned nothing yet. Press Play.",
        "第一轮之前：生成器还什么都没学到。请点击“开始”。",
    ),
    "losses": ("Losses: discriminator blue, generator orange", "损失：判别器蓝色，生成器橙色"),
    "beginning": (
        "**Beginning.** Too early to say.",
        "**刚开始。**还看不出结果。",
    ),
    "under way": (
        "**Under way.** The points are moving towards the real ones: distance {distance:.3f}.",
        "**进行中。**生成的点正靠近真实的点：距离 {distance:.3f}。",
    ),
    "converged": (
        "**Converged.** All {clumps:.0f} clumps are made, at a distance of {distance:.3f}.",
        "**已收敛。**全部 {clumps:.0f} 团都能生成，距离 {distance:.3f}。",
    ),
    "oscillating": (
        "**Oscillating.** The points run to and fro: {move:.2f} between two looks, and get nowhere."
        " Lower the generator's learning rate, or take a loss with penalties.",
        "**震荡。**生成的点来回移动：两次观察之间移动 {move:.2f}，却没有进展。请降低生成器学习率，或选用带惩罚的损失。",
    ),
    "collapsed": (
        "**Collapsed.** {found:.0f} of {clumps:.0f} clumps are made, spread {spread:.2f} of the real points'."
        " The generator found one answer that the discriminator cannot refuse in time.",
        "**已崩溃。**只生成 {clumps:.0f} 团中的 {found:.0f} 团，离散程度是真实点的 {spread:.2f}。"
        "生成器找到了判别器来不及拒绝的单一答案。",
    ),
    "diverged": (
        "**Diverged.** The points flew apart: spread {spread:.3g} of the real points'. Begin anew with lower rates.",
        "**已发散。**生成的点四散飞离：离散程度是真实点的 {spread:.3g}。请降低学习率重新开始。",
    ),
    # Train
    "data": (
        "Pictures",
        "图片",
    ),
    "data_info": (
        "Folders of the workspace, and what was uploaded",
        "工作区内的文件夹和已上传的图片",
    ),
    "upload": (
        "... or drop pictures or a zip here",
        "……或把图片或 zip 拖到这里",
    ),
    "uploaded": (
        "{count} pictures uploaded as “{name}”.",
        "已上传 {count} 张图片，名为“{name}”。",
    ),
    "upload_failed": (
        "{name} was not uploaded. {reason} Choose other pictures.",
        "{name} 上传失败。{reason}请选择其他图片。",
    ),
    "many_pictures": (
        "{count} pictures",
        "{count} 张图片",
    ),
    "inspect": (
        "Check pictures",
        "检查图片",
    ),
    "report": (
        "**{name}: {pictures} pictures**, sides {shortest} to {longest} px (medians), {broken} broken, {copies} exact copies, themes: {themes}. Suggested preset: **{preset}** ({reason}).",
        "**{name}：{pictures} 张图片**，边长中位数 {shortest} 至 {longest} px，损坏 {broken} 张，完全重复 {copies} 组，{themes} 个主题。建议预设：**{preset}**（{reason}）。",
    ),
    "in_use": (
        "A training is using it; stop that first.",
        "训练正在使用它，请先停止训练。",
    ),
    "not_uploaded": (
        "Only uploaded pictures can be changed here; this folder is your own.",
        "这里只能更改上传的图片，该文件夹是你自己的。",
    ),
    "nothing_chosen": (
        "Choose one first.",
        "请先选择一项。",
    ),
    "nothing_deleted": (
        "There is nothing to bring back.",
        "没有可恢复的内容。",
    ),
    "restored": (
        "It is back.",
        "已恢复。",
    ),
    "undo_delete": (
        "Undo delete",
        "撤销删除",
    ),
    "deleted": (
        "Deleted. It is in the workspace's folder {place} until you remove it there.",
        "已删除，现位于工作区的 {place} 文件夹，可自行清除。",
    ),
    "cancel": (
        "Cancel",
        "取消",
    ),
    "delete_sure": (
        "Yes, delete",
        "确认删除",
    ),
    "delete": (
        "Delete",
        "删除",
    ),
    "renamed": (
        "It is called “{name}” now.",
        "已重命名为“{name}”。",
    ),
    "rename": (
        "Rename",
        "重命名",
    ),
    "new_name": (
        "New name",
        "新名称",
    ),
    "manage_job": (
        "Rename or delete this training",
        "重命名或删除此训练",
    ),
    "manage_data": (
        "Rename or delete these pictures",
        "重命名或删除这些图片",
    ),
    "advice": ("Advice", "建议"),
    "preset": ("Preset", "预设"),
    "by_itself": ("choose for me", "自动选择"),
    "size": ("Size, px", "尺寸，px"),
    "usual_size": ("as most of your pictures", "与大多数图片一致"),
    "name_info": (
        "Optional: the pictures' name is used",
        "可选，默认使用图片的名称",
    ),
    "name": (
        "Name",
        "名称",
    ),
    "minutes": ("Minutes", "分钟"),
    "minutes_wrong": (
        "Minutes must be a number from {least} to {most}.",
        "分钟数必须在 {least} 到 {most} 之间。",
    ),
    "begin": ("Start training", "开始训练"),
    "job": ("Training", "训练任务"),
    "no_data": (
        "Choose pictures first.",
        "请先选择图片。",
    ),
    "no_job": (
        "Choose a training first.",
        "请先选择一个训练任务。",
    ),
    "other_running": (
        "Another training is running (“{name}”); stop it first.",
        "另一个训练正在进行（“{name}”），请先停止它。",
    ),
    "stop": ("Stop and save", "停止并保存"),
    "resume": (
        "Resume",
        "继续",
    ),
    "to_create": (
        "Use in Create",
        "用于创作",
    ),
    "running": ("in training", "训练中"),
    "stopping": ("is saving", "正在保存"),
    "stopped": ("stopped", "已停止"),
    "finished": ("finished", "已完成"),
    "failed": ("failed", "失败"),
    "lost": ("was killed", "被中断"),
    "stands": (
        "**{name}** {state}{part}: {images:,} images seen{speed}{left}. {words}",
        "**{name}** {state}{part}：已训练 {images:,} 张次{speed}{left}。{words}",
    ),
    "part": (
        ", part {number} of 2 ({share:.0%} of the time)",
        "，第 {number} 部分，共 2 部分（占时间的 {share:.0%}）",
    ),
    "speed": (
        ", {speed:.0f} per second",
        "，每秒 {speed:.0f} 张",
    ),
    "to_go": (", {minutes:.0f} min to go", "，还需 {minutes:.0f} 分钟"),
    "preparing_long": (
        "{name}: preparing, longer than usual",
        "{name}：正在准备，比平时稍久",
    ),
    "preparing": (
        "{name}: preparing, about {seconds} s to the first step",
        "{name}：正在准备，约 {seconds} 秒后开始",
    ),
    "accuracy": (
        "Discriminator's accuracy: on real pictures blue, on generated ones orange",
        "判别器正确率：真实图片蓝色，生成图片橙色",
    ),
    "distance": (
        "Distance to pictures held out (KID-lite0)",
        "与留出图片的距离（KID-lite0）",
    ),
    "samples": (
        "Progress samples",
        "训练过程样图",
    ),
    "samples_at": (
        "Progress samples, after {images:,} images",
        "训练过程样图，已训练 {images:,} 张次",
    ),
    "when": (
        "Timeline",
        "进度回看",
    ),
    "when_info": (
        "0: the first. 100: the newest",
        "0：最初；100：最新",
    ),
    "healthy": ("No sign of trouble.", "没有异常迹象。"),
    "little_covered": (
        "The samples come near only {share:.0%} of the pictures that were held out. Early in a training that is usual.",
        "样图只接近 {share:.0%} 的留出图片。训练初期这是正常的。",
    ),
    "how_new": (
        "Of 100 samples {sourced:.0f} are one of your pictures drawn again; {chance:.0f} would be by chance.",
        "每 100 张样图中，有 {sourced:.0f} 张是把你的某张图片重画了一遍；纯属偶然时为 {chance:.0f} 张。",
    ),
    "verdict": (
        "**{kind}** ({severity}): {evidence} {advice}",
        "**{kind}**（{severity}）：{evidence} {advice}",
    ),
    "model_soon": (
        "There is no model yet: the first comes within minutes.",
        "还没有模型：几分钟内会有第一个。",
    ),
}


def words(language: str) -> dict[str, str]:
    """All of them in one language."""
    column = list(LANGUAGES).index(language)
    return {key: both[column] for key, both in WORDS.items()}


def choose_language(accept_language: str) -> str:
    """The language of the page for what a browser's `Accept-Language` says; English where it names none of ours."""
    wishes = []
    for place, part in enumerate(accept_language.lower().split(",")[:20]):
        tag, _, quality = part.partition(";q=")
        language = tag.strip().split("-")[0]
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        if language in LANGUAGES and weight > 0:
            wishes.append((-weight, place, language))
    return min(wishes)[2] if wishes else next(iter(LANGUAGES))
