"""The page's words, English beside Chinese."""

LANGUAGES = {"en": "English", "zh": "中文"}

WORDS: dict[str, tuple[str, str]] = {
    "slogan": ("New pictures in the style of yours.", "以您的画风，生成新的图画。"),
    "language": ("Language", "语言"),
    "no": ("That does not work", "无法完成"),
    "create": ("Create", "创作"),
    "explore": ("Explore", "探索"),
    "upscale": ("Upscale", "放大"),
    "train": ("Train", "训练"),
    "learn": ("Learn", "学习"),
    # Create
    "model": ("Model", "模型"),
    "model_info": ("Your runs and model folders", "您的训练结果和模型文件夹"),
    "no_models": (
        "There is no model yet that makes pictures: train one in the tab Train.",
        "还没有能生成图画的模型：请先在“训练”页训练一个。",
    ),
    "first_seed": ("First seed", "起始种子"),
    "count": ("How many", "数量"),
    "truncation": ("Daring", "大胆程度"),
    "truncation_info": (
        "Truncation: less gives typical pictures, more gives varied ones",
        "截断：小则典型，大则多变",
    ),
    "others": ("Other pictures", "换一批"),
    "theme": ("Theme", "主题"),
    "colours": ("Colours", "颜色"),
    "colours_from": ("Which", "颜色来源"),
    "own": ("as they come", "顺其自然"),
    "chosen_colours": ("these", "指定颜色"),
    "of_photo": ("a photo's", "取自照片"),
    "colour_count": ("How many", "几种"),
    "colour": ("Colour {number}", "颜色 {number}"),
    "photo": ("Photo whose colours they shall have", "用来取色的照片"),
    "directions": ("Directions", "方向"),
    "directions_info": (
        "Steps of one standard deviation. The first move of a new model takes some 20 seconds.",
        "以一个标准差为一步。新模型第一次移动约需 20 秒。",
    ),
    "brightness": ("Brightness", "亮度"),
    "warmth": ("Warmth", "冷暖"),
    "saturation": ("Saturation", "饱和度"),
    "contrast": ("Contrast", "对比度"),
    "symmetry": ("Symmetry", "对称"),
    "pictures": ("Pictures: choose one", "图画：点选一幅"),
    "chosen": ("Chosen", "选中的图画"),
    "spread": ("How far neighbours are", "邻近图画的差异"),
    "neighbours": ("Neighbours", "邻近图画"),
    "start": ("start", "起点"),
    "save": ("Save PNG", "保存 PNG"),
    "send": ("To Upscale", "去放大"),
    "recipe": ("Recipe", "配方"),
    "keep": ("Keep for Explore", "留待探索"),
    # Explore
    "map": ("Map: choose one", "地图：点选一幅"),
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
    "keep_it": ("Keep", "留下"),
    "explore_text": (
        "Pictures that were kept, here or in Create. A **way** goes from one to the next, and every picture on it is one the"
        " model can make. A **mixture** has the coarse structure of one and the fine detail of another.",
        "在此处或“创作”中留下的图画。**路径**从一幅走到下一幅，途中每一幅都是模型能生成的。**混合**取一幅的整体结构和另一幅的细节。",
    ),
    "kept": ("Kept", "留下的图画"),
    "kept_now": ("Kept for Explore: {count}", "已留待探索：{count} 幅"),
    "clear": ("Empty", "清空"),
    "frames": ("Frames, 24 a second", "帧数（每秒 24 帧）"),
    "loop": ("and back to the first", "并回到第一幅"),
    "go": ("Go the way", "生成路径"),
    "structure": ("Structure of", "结构取自"),
    "detail": ("Detail of", "细节取自"),
    "with_colours": ("and its colours", "并取其颜色"),
    "mix": ("Mix", "混合"),
    "seen": ("Way or mixture", "路径或混合"),
    "save_it": ("Save", "保存"),
    "no_chosen": ("choose a picture first", "请先点选一幅图画"),
    "two_at_least": ("keep two pictures of a model at least", "请至少留下同一模型的两幅图画"),
    # Upscale
    "drop": ("Pictures", "图画"),
    "upscaler": ("Upscaler", "放大模型"),
    "scale": ("Scale", "倍数"),
    "own_scale": ("the model's", "模型自带"),
    "format": ("Format", "格式"),
    "engine": ("Engine", "引擎"),
    "engine_info": ("The first use of a model tries them all", "首次使用某个模型时会逐个尝试"),
    "fastest": ("the fastest", "最快的"),
    "enlarge": ("Enlarge", "放大"),
    "made": ("To save", "可保存的文件"),
    "before_after": ("Before and after", "放大前后"),
    "no_pictures": ("there is no picture yet", "还没有图画"),
    "too_many": ("more than {most} pictures", "超过 {most} 幅图画"),
    "the_picture": ("the picture", "这幅图画"),
    "megapixels": (
        "{number} of {files}: {done:.1f} of {total:.1f} megapixels",
        "第 {number} / {files} 幅：{done:.1f} / {total:.1f} 百万像素",
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
    "textbook": ("Textbook (non-saturating)", "教科书（非饱和）"),
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
    "data": ("Pictures", "图画"),
    "data_info": ("Folders of the workspace, and what was uploaded", "工作区内的文件夹和已上传的图画"),
    "upload": ("... or drop pictures or a zip here", "……或把图画或 zip 拖到这里"),
    "uploaded": ("{count} pictures were taken in, {left} left out.", "收下 {count} 幅图画，未收 {left} 幅。"),
    "inspect": ("Look at them", "检查图画"),
    "report": (
        "**{pictures} pictures**, sides {shortest} to {longest} px (medians), {broken} broken, {copies} exact copies,"
        " themes: {themes}. Suggested preset: **{preset}** ({reason}).",
        "**{pictures} 幅图画**，边长中位数 {shortest} 至 {longest} px，损坏 {broken} 幅，完全重复 {copies} 组，"
        "{themes} 个主题。建议预设：**{preset}**（{reason}）。",
    ),
    "advice": ("Advice", "建议"),
    "preset": ("Preset", "预设"),
    "by_itself": ("choose for me", "自动选择"),
    "size": ("Size, px", "尺寸，px"),
    "minutes": ("Minutes", "分钟"),
    "begin": ("Start training", "开始训练"),
    "job": ("Training", "训练任务"),
    "no_data": ("choose pictures first", "请先选择图画"),
    "no_job": ("choose a training first", "请先选择一个训练任务"),
    "stop": ("Stop and save", "停止并保存"),
    "resume": ("Go on", "继续"),
    "to_create": ("To Create", "去创作"),
    "running": ("in training", "训练中"),
    "stopping": ("is saving", "正在保存"),
    "stopped": ("stopped", "已停止"),
    "finished": ("finished", "已完成"),
    "failed": ("failed", "失败"),
    "lost": ("was killed", "被中断"),
    "stands": (
        "**{name}** {state}: {images:,} images seen{speed}{left}. {words}",
        "**{name}** {state}：已看 {images:,} 幅{speed}{left}。{words}",
    ),
    "speed": (", {speed:.0f} per second", "，每秒 {speed:.0f} 幅"),
    "to_go": (", {minutes:.0f} min to go", "，还需 {minutes:.0f} 分钟"),
    "accuracy": (
        "Discriminator's accuracy: on real pictures blue, on generated ones orange",
        "判别器正确率：真实图画蓝色，生成图画橙色",
    ),
    "distance": ("Distance to pictures held out (KID-lite0)", "与留出图画的距离（KID-lite0）"),
    "samples": ("From the same noise all along", "始终来自相同的噪声"),
    "samples_at": ("From the same noise, after {images:,} images", "来自相同的噪声，已看 {images:,} 幅"),
    "when": ("Their history, %", "历程，%"),
    "when_info": ("0: the first. 100: the newest", "0：最初；100：最新"),
    "healthy": ("No sign of trouble.", "没有异常迹象。"),
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


def preferred(accept_language: str) -> str:
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
