"""
Family names that show how a name is built.

East Asian ones tell that the family name comes first; Spanish ones, that a person has two.
"""

import re
from functools import cache, lru_cache

_EAST_ASIAN = (
    # Chinese, in pinyin
    """
    ai an ao bai ban bao bei bi bian bo bu cai cao cen chai chang che chen cheng chi chou chu
    cui dai dang deng di diao ding dong dou du duan fan fang fei feng fu gan gao ge geng gong
    gou gu guan gui guo han hao he hong hou hu hua huang huo ji jia jian jiang jiao jin jing
    ju kang ke kong kuang lai lan lang lei leng li lian liang liao lin ling liu long lou lu luo
    lv lyu ma mao mei meng mi miao min mo mu nan ni nie ning niu ouyang pan pang pei peng pi
    pu qi qian qiang qiao qin qiu qu quan ran rao ren rong ruan shan shang shao she shen sheng
    shi shu shui si situ song su sui sun tan tang tao teng tian tong tu wan wang wei wen weng
    wu xi xia xian xiang xiao xie xin xing xiong xu xuan xue yan yang yao ye yi yin ying yong
    you yu yuan yue yun zang zeng zha zhan zhang zhao zhen zheng zhong zhou zhu zhuang zhuo
    zong zou zu zuo
    """
    # Cantonese and Taiwanese
    """
    chan chang cheung chiang chiu choi chow chu chung fong fung hsieh hsu hung kwan kwok lam lau
    lee leung lo lui mak mok ng poon szeto tam tsai tsang tse tseng wong yeung yip yuen
    """
    # Korean
    """
    ahn bae baek byun chae cho choe choi chun ha han heo hong huh hwang hyun im jang jeon jeong
    jin jo joo ju jun jung kang kim ko koh koo kwak kwon lee lim min moon na nam noh oh paik park
    pyo rhee ryu seo seok shim shin sim son song suh sung um won woo yang yeo yeon yi yim yoo
    yoon you yun
    """
    # Vietnamese
    """
    bui dang dao dinh doan duong hoang huynh lam luong mai ngo nguyen pham phan phung quach ta
    thai tran trinh truong vo vu vuong
    """
)
_SPANISH = """
    abad acosta agudo aguilar aguilera aguirre alarcon alba alcaraz alfaro aliaga almeida alonso
    alvarado amador amaya aparicio aragon aranda arango araujo arce arias arroyo avila ayala
    barrera barrios bautista becerra beltran benavides bermejo bermudez bernal blanco bonilla
    borrego bravo bueno bustamante caballero cabello cabrera calderon calvo camacho campos cano
    cantero carbonell cardenas cardona carmona carrasco carrera carrillo casado casanova
    castellanos castillo castro cifuentes collado conde contreras cordero cordoba correa cortes
    crespo cruz cuesta delgado diaz duran echeverria escobar escudero espinosa espinoza esteban
    estevez estrada exposito fajardo ferrer figueroa flores franco fuentes galan gallardo gallego
    galvez garcia garrido garzon gil gimeno gonzalo granados guerra guerrero guevara guillen
    heredia hernando herrera hidalgo hurtado ibarra iglesias izquierdo jaramillo jurado lara
    leon llorente lorenzo lozano luna luque macias maldonado marin marquez marrero mata mateos
    medina mejia mendoza mendez mesa miranda molina montenegro montero montes montoya mora
    morales moreno moya munoz murillo naranjo navarrete navarro nieto nogales ojeda olivares
    ordonez orozco ortega ortiz osorio otero pacheco padilla palacios palomo pardo paredes parra
    pascual pastor pena peralta pizarro polo ponce porras posada prado prieto puente puig quesada
    quintana quintero ramirez ramos redondo requena restrepo rey reyes rincon rios rivas rivera
    robles rocha rojas roldan roman romero rosales rosas rubio rueda ruiz salas salazar salcedo
    salgado salinas salvador santana santiago santos saavedra segovia segura serna serrano sierra
    silva solano soler solis soria sosa soto suarez tapia tejada tejero tello toledo toro torres
    tovar trujillo urbina uribe valdes valdivia valencia valenzuela valero vallejo varela vargas
    vega velasco velazquez vera vergara vicente vidal villa villalba villanueva villegas vivas
    yepes zambrano zamora zapata zarate zuniga
    """
EAST_ASIAN = frozenset(_EAST_ASIAN.split())
SPANISH = frozenset(_SPANISH.split())
_EZ = re.compile(r"[a-z]{3,}ez")  # Rodríguez, Hernández, Sánchez …


def is_spanish(family: str) -> bool:
    """Return True if the folded name is a common Spanish family name."""
    return family in SPANISH or _EZ.fullmatch(family) is not None


@lru_cache(maxsize=4096)
def is_pinyin(name: str) -> bool:
    """Return True if the folded name consists of one to three syllables in pinyin."""
    return _pinyin(3).fullmatch(name) is not None


def is_syllable(name: str) -> bool:
    """Return True if the folded name is one syllable in pinyin."""
    return _pinyin(1).fullmatch(name) is not None


@lru_cache(maxsize=4096)
def second_letters(name: str) -> frozenset[str]:
    """Return the letters with which the second of two syllables in pinyin may begin."""
    if is_syllable(name):
        return frozenset()
    parts = ((name[:i], name[i:]) for i in range(1, len(name)))
    return frozenset(last[0] for first, last in parts if is_syllable(first) and is_syllable(last))


@cache
def _pinyin(syllables: int) -> re.Pattern[str]:
    initial = "(?:[bpmfdtnlgkhjqxrzcsyw]|[zcs]h)?"
    final = (
        "(?:iang|iong|uang|ang|eng|ian|iao|ing|ong|uai|uan|ai|an|ao|ei|en|er|ia|ie|in|iu|ou|ua|ue|"
        "ui|un|uo|a|e|i|o|u)"
    )
    return re.compile(f"(?:{initial}{final}|[ln]ve?){{1,{syllables}}}")
